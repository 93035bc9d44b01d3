"""HTTP: the RSGI and WSGI applications, GraphQL over HTTP, all paths, and checks of incoming requests."""
