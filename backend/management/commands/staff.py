"""Makes a person staff, or takes that back."""

from backend.management.roles import RoleCommand


class Command(RoleCommand):
    """manage.py staff HANDLE [--remove]."""

    help = "Make the person with this handle staff, who looks at every table in the admin; each look is logged."
    column = "is_staff"
    role = "staff"
