"""Notifications: each person is notified of each event once, and can mark it read."""
