"""Limited editions of stories, and orders of them. Payment is not part of Katha."""
