"""What stands between two people: following and blocking."""
