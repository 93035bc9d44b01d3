"""The connection of Django to PostgreSQL, as Katha uses it."""
