"""Reports of what somebody has seen, and what moderators do about them."""
