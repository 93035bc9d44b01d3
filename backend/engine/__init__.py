"""The engine: optimistic locking lives here, and only here.

versions      a version check is a filter on the write
guard         the trigger that refuses a write which forgot its version
transactions  the unit of work, and the snapshot that a query reads
idempotency   one key, one effect
tallies       totals that many people raise at once
contention    how long a client that lost had better wait
errors        every refusal, once
text, ids     what comes in as text; ids made by the application
"""
