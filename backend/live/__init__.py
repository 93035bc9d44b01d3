"""Live updates: who watches what in this process, and what of it is to be told anew."""
