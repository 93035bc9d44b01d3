"""Stories in chapters, and the shelf that an author keeps them on."""
