"""Optimistic locking, units of work and idempotency: everything that knows versions.

versions      the version check: a filter on the UPDATE
statements    statements that are declared with the ORM and compiled once
declarations  what can be declared: update, insert, delete, select
effects       what a statement does to versioned rows, checked when it is compiled
pipeline      sends what waits in one round trip, with BEGIN and COMMIT
fibers        code that waits for the database, in the event loop's own thread
frames        memory for Python's call frames
mutations     what happens in the one transaction of a mutation, in order
guard         the trigger that refuses an UPDATE which does not raise its version
presence      the trigger that refuses new references to people who have left
transactions  the unit of work of a mutation, and the snapshot of a query
locks         the order in which tables are locked
idempotency   one key, one effect
tallies       totals that many writers raise at once
conflicts     how long to wait before a retry, and which rows conflict most often
deadline      the time limit of a request
scoped        a context variable that is set for the code inside
errors        every refusal
refusal_log   the line in the log for a refusal
outage        for how long the database has served nobody
text, ids     normalising text; UUIDs made by the application
"""
