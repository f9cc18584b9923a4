"""Cases: service types, triage, threads and remote diagnosis; what a request becomes before it becomes work."""
