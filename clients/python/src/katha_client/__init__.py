"""Katha for Python: writes that are safe to send again, texts that are merged, things that stay live. Sync and async.

`Client` waits, `AsyncClient` is awaited; both drive one core that does no I/O. `mutations` has a function for each mutation of
the contract, `types` all of its types.
"""

from katha_client.aio import AsyncClient, AsyncEditing, AsyncOutbox, AsyncToggle
from katha_client.answers import is_conflict, is_failure, is_gone, is_invalid
from katha_client.client import Client, Editing, Outbox, Toggle
from katha_client.drafts import CHAPTER, STORY, Collision, Conflict, Form
from katha_client.effects import Patience
from katha_client.errors import CursorExpired, KathaError, NotFound, NotListening, RequestError, Unserved
from katha_client.generated import mutations, types
from katha_client.generated.merge import Clean, merged, three_way
from katha_client.generated.merge import Collision as CollidingPart
from katha_client.live import Change, ChangePage
from katha_client.outbox import Entry
from katha_client.stores import FileStore, MemoryStore, Store
from katha_client.writes import Write

__all__ = [
    "CHAPTER",
    "STORY",
    "AsyncClient",
    "AsyncEditing",
    "AsyncOutbox",
    "AsyncToggle",
    "Change",
    "ChangePage",
    "Clean",
    "Client",
    "CollidingPart",
    "Collision",
    "Conflict",
    "CursorExpired",
    "Editing",
    "Entry",
    "FileStore",
    "Form",
    "KathaError",
    "MemoryStore",
    "NotFound",
    "NotListening",
    "Outbox",
    "Patience",
    "RequestError",
    "Store",
    "Toggle",
    "Unserved",
    "Write",
    "is_conflict",
    "is_failure",
    "is_gone",
    "is_invalid",
    "merged",
    "mutations",
    "three_way",
    "types",
]
