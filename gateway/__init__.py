"""Asked: HTTP API, web pages, sign-in, wiring, clock, supervision, migrations, command line."""
