"""The start page, and GraphiQL with its prepared tabs."""
