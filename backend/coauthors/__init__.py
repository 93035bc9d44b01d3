"""Co-authors of stories, and invitations to become one."""
