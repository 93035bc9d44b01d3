"""Stories with chapters, and each author's shelf: the list of their stories."""
