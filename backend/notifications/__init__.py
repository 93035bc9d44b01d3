"""What people are told of: each event once, and whether they have read it."""
