"""Background jobs on procrastinate: a job is a row in the same PostgreSQL."""
