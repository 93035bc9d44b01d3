"""What a person may know of their tokens. Those there are get ids from the database, each its own."""

import django.contrib.postgres.functions
import django.db.models.functions.datetime
from django.db import migrations, models

import backend.engine.ids


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0002_show_mature"),
    ]

    operations = [
        migrations.AddField(
            model_name="accesstoken",
            name="label",
            field=models.CharField(db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="accesstoken",
            name="last_used_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="accesstoken",
            name="public_id",
            field=models.UUIDField(
                db_default=django.contrib.postgres.functions.RandomUUID(),
                default=backend.engine.ids.uuid7,
                editable=False,
                unique=True,
            ),
        ),
    ]
