import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import backend.engine.guard
import backend.engine.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("people", "0002_show_mature"),
    ]

    operations = [
        migrations.CreateModel(
            name="Whisper",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=backend.engine.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("text", models.CharField(max_length=500)),
                ("nsfw", models.BooleanField(default=False, verbose_name="NSFW")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("version", models.BigIntegerField(default=1)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("nsfw_changed", models.BigIntegerField(default=1)),
                (
                    "author",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="whispers",
                        to="people.person",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PolicyWord",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=backend.engine.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "word",
                    models.CharField(
                        help_text="Found as a whole word, in any case of letters; several words are found in a row.",
                        max_length=100,
                        unique=True,
                    ),
                ),
                (
                    "effect",
                    models.CharField(
                        choices=[("FLAG", "mark it NSFW"), ("REPORT", "mark it NSFW and report it to the moderators")],
                        default="FLAG",
                        max_length=6,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                ("id", models.SmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                (
                    "most_links",
                    models.PositiveSmallIntegerField(
                        default=3, help_text="A whisper with more links is marked NSFW and reported to the moderators."
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "policy",
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="policy_is_one")],
            },
        ),
        migrations.CreateModel(
            name="Flag",
            fields=[
                (
                    "whisper",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="flag",
                        serialize=False,
                        to="whispers.whisper",
                    ),
                ),
                (
                    "effect",
                    models.CharField(
                        choices=[("FLAG", "mark it NSFW"), ("REPORT", "mark it NSFW and report it to the moderators")],
                        max_length=6,
                    ),
                ),
                (
                    "rules",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), size=None),
                ),
                ("policy", models.BigIntegerField()),
                (
                    "author",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="people.person",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="whisper",
            index=models.Index(
                models.F("author"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="whisper_by_author",
            ),
        ),
        migrations.AddIndex(
            model_name="whisper",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="whisper_newest",
            ),
        ),
        migrations.AddConstraint(
            model_name="whisper",
            constraint=backend.engine.guard.VersionGuard(
                fixed=("id", "author", "text", "created_at"),
                name="whisper_version_guard",
                sides={"": {"nsfw": ("nsfw",)}},
            ),
        ),
        migrations.AddConstraint(
            model_name="flag",
            constraint=models.CheckConstraint(condition=models.Q(("rules__len__gte", 1)), name="flag_by_a_rule"),
        ),
    ]
