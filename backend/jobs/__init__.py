"""Work that goes on after a mutation has answered, on procrastinate: a job is a row of the same PostgreSQL."""
