"""HTTP: the ASGI application, the processes that serve it, GraphQL over HTTP, all paths, and checks of incoming requests."""
