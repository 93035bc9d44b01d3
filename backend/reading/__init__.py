"""Readers' positions in stories, and view counts."""
