"""HTTP: the server application, GraphQL over HTTP, the other paths, and what is refused on the way in."""
