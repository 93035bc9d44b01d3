"""The start page, the documentation, and GraphiQL with its prepared tabs."""
