"""Rate limits and concurrency limits: sign-in attempts, sign-ups, password hashing, the cost of requests."""
