"""How often something may happen: attempts to sign in, sign-ups, passwords hashed at once, the cost of requests."""
