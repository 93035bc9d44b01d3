"""What the log's entries are about: one character for each kind. Models declare those of their rows (`triggers.ChangeLog`)."""

SIGHT = "*"
"""What the owner may see of the person or story `id`, and of all that hangs on it, may have changed: a block was set or lifted,
their pair was swept, a co-author came or went. Of a person, `version` is 4 × what it was + what it is: 0 nothing is hidden, 1
stories and lists, 3 the person too.
"""
LEFT = "~"
"""The owner has left: nobody sees them or anything of theirs any more."""
ACCESS = "!"
"""Whether or how the owner is signed in, or what they may do at all, may have changed: a token or a session ended, a password, a
role or a suspension was set.
"""
PUBLIC = "."
"""Others began to see the thing `id` of the owner, or ceased to (`gone`): it was published, taken back or deleted."""
HANDED = ">"
"""The thing `id` has come to be the owner's. Before, it was that of the person `aggregate`, under whom stands what was written of
it until then, and of what hangs on it.
"""
SWEPT = "-"
"""The thing `id` of the owner, who has left, is being swept: what goes in the same transaction hung on it."""
SIGNALS = (SIGHT, LEFT, ACCESS, PUBLIC, HANDED, SWEPT)
"""The kinds that are about no thing."""
