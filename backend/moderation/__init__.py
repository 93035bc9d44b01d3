"""Reports to the moderators, and what moderators do with them."""
