from django.db import migrations

import backend.engine.guard


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0004_leaving"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="person",
            name="person_version_guard",
        ),
        migrations.AddConstraint(
            model_name="person",
            constraint=backend.engine.guard.VersionGuard(
                fixed=("id", "handle", "joined_at"),
                name="person_version_guard",
                sides={"": {"bio": ("bio",), "name": ("name", "left_at"), "show_mature": ("show_mature",)}},
            ),
        ),
    ]
