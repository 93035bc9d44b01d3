"""Documents as real clients send them, and what those clients need of the answers."""
