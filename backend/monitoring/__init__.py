"""Watching over a running Katha: what must hold, asked of live data."""
