"""An embedded PostgreSQL: a real server, private to its user, that stops when no process uses it.

    with running(data, durable=True, report=print):
        ...  # psycopg.connect(host=str(socket_folder(data)), user=ROLE, dbname=DATABASE)

How it works
---------------------
Three kinds of process take part: *users* (any command of ours that needs the database), one *supervisor*,
and its child `postgres`. They coordinate through two file locks next to the data folder, because the kernel
releases a lock whenever its holder ends, even by `kill -9`:

* `….users.lock`: a shared lock of all users. The supervisor periodically tries to get it exclusively; when it can,
  there are no users left and it stops PostgreSQL. It keeps the lock while stopping, so a new user waits and
  then starts a new server instead of joining one that is shutting down.
* `….server.lock`: held by the supervisor and, by inheritance, by every process of PostgreSQL. The user
  who gets it passes it to the supervisor that it starts, so there is never a second one. Getting it also proves
  that no process of an old server is alive, so stale files may be removed.

The kernel sends `postgres` a signal when its supervisor dies, so it never outlives it. The supervisor has a
session of its own: Ctrl-C reaches only the user, which can still use the database while it shuts down.

A user that stays (`kept_running`) looks at the server's lock: when that is free, no process of the server is alive, whatever
ended it, and the user starts the next one.
"""

from backend.embedded.data_folder import DATABASE, ROLE, EmbeddedError, socket_folder
from backend.embedded.users import running
from backend.embedded.watchdog import kept_running

__all__ = ["DATABASE", "ROLE", "EmbeddedError", "kept_running", "running", "socket_folder"]
