"""Metrics of all processes, and the invariants that `manage.py verify` checks on live data."""
