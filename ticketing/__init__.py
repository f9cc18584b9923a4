"""Done: cases and requests, work orders, visits, technicians."""
