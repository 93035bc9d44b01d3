"""Readers' places in stories, and the views that they count."""
