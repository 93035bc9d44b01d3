"""Relationships of two people: following and blocking."""
