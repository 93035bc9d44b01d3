"""The two pages for people: the start page and GraphiQL with its prepared tabs."""
