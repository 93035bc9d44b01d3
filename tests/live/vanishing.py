"""A client in a process of its own that has a story open over a WebSocket, until it is stopped: `host port token story`."""

import sys

from websockets.sync.client import connect

GREETING = '{"type": "connection_init", "payload": {"Authorization": "Bearer %s"}}'
SUBSCRIBE = (
    '{"type": "subscribe", "id": "1", "payload": {"query": "subscription ($id: ID!) '
    '{ presence(story: $id) { people { since } } }", "variables": {"id": "%s"}}}'
)

if __name__ == "__main__":
    host, port, token, story = sys.argv[1:]
    with connect(f"ws://{host}:{port}/graphql", subprotocols=["graphql-transport-ws"], ping_interval=None) as ws:  # type: ignore[list-item]
        ws.send(GREETING % token)
        ws.recv()
        ws.send(SUBSCRIBE % story)
        for _ in ws:
            pass
