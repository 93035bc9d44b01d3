"""Limited editions of stories, and the orders of them. Nobody pays anything here: that is for others to do."""
