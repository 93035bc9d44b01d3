"""Makes a person a moderator, or takes that back."""

from backend.management.roles import RoleCommand


class Command(RoleCommand):
    """manage.py moderator HANDLE [--remove]."""

    help = "Make the person with this handle a moderator, who settles reports and edits the screening policy."
    column = "is_moderator"
    role = "a moderator"
