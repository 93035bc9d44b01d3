"""Katha's Django database backend for PostgreSQL."""
