"""Whispers: short texts, each screened by a policy when it is created."""
