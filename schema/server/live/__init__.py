"""Live updates over the wire: server-sent events, and WebSockets."""
