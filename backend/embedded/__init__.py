"""An embedded PostgreSQL: real, private to its user, and gone when nobody uses it any more.

    with running(data, durable=True, report=print):
        ...  # psycopg.connect(host=str(socket_folder(data)), user=ROLE, dbname=DATABASE)

How it holds together
---------------------
Three kinds of process take part: *users* (any command of ours that needs the database), one *supervisor*,
and its child `postgres`. They speak through two file locks beside the data folder, because the kernel lets
go of a lock whatever happens to its holder, also at `kill -9`:

* `….users.lock`: every user shares it. The supervisor now and then tries to have it alone; when it can,
  nobody is left and it stops PostgreSQL. It keeps the lock while it stops, so a newcomer waits and then
  starts afresh instead of joining a server that is going down.
* `….server.lock`: belongs to the supervisor and, by inheritance, to every process of PostgreSQL. The user
  who gets it hands it to the supervisor that it starts, so there is never a second one, and whoever gets it
  knows that no process of the old server is alive: what such a server left behind may be tidied away.

The kernel sends `postgres` a signal when its supervisor dies, so it never outlives it. The supervisor has a
session of its own: Ctrl-C reaches the user alone, who can still use the database while it says goodbye.
"""

from backend.embedded.data_folder import DATABASE, ROLE, EmbeddedError, socket_folder
from backend.embedded.users import running

__all__ = ["DATABASE", "ROLE", "EmbeddedError", "running", "socket_folder"]
