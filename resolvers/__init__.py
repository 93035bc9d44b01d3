"""One unit of work each: who is asking, which rows, one transaction."""
