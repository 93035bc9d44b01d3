import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import backend.engine.guard
import backend.engine.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("people", "0002_show_mature"),
        ("stories", "0003_ranks"),
        ("whispers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Report",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=backend.engine.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("reason", models.CharField(max_length=1000)),
                (
                    "status",
                    models.CharField(
                        choices=[("OPEN", "open"), ("CLAIMED", "claimed"), ("RESOLVED", "resolved")],
                        default="OPEN",
                        max_length=8,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[("DISMISSED", "dismissed"), ("MARKED_NSFW", "marked NSFW"), ("REMOVED", "removed")],
                        max_length=11,
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("version", models.BigIntegerField(default=1)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("state_changed", models.BigIntegerField(default=1)),
                (
                    "about",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="people.person",
                    ),
                ),
                (
                    "chapter",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="stories.chapter"
                    ),
                ),
                (
                    "claimed_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="people.person",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="people.person",
                    ),
                ),
                (
                    "reporter",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="people.person",
                    ),
                ),
                (
                    "story",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="stories.story"
                    ),
                ),
                (
                    "whisper",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="whispers.whisper"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["created_at", "id"], name="report_oldest"),
                    models.Index(fields=["status", "created_at", "id"], name="report_oldest_by_status"),
                    models.Index(fields=["reporter", "created_at"], name="report_by_reporter"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("chapter__isnull", True),
                                ("person__isnull", True),
                                ("story__isnull", True),
                                ("whisper__isnull", False),
                            ),
                            models.Q(
                                ("chapter__isnull", True),
                                ("person__isnull", True),
                                ("story__isnull", False),
                                ("whisper__isnull", True),
                            ),
                            models.Q(
                                ("chapter__isnull", False),
                                ("person__isnull", True),
                                ("story__isnull", True),
                                ("whisper__isnull", True),
                            ),
                            models.Q(
                                ("chapter__isnull", True),
                                ("person__isnull", False),
                                ("story__isnull", True),
                                ("whisper__isnull", True),
                            ),
                            models.Q(
                                ("chapter__isnull", True),
                                ("person__isnull", True),
                                ("story__isnull", True),
                                ("whisper__isnull", True),
                                ("status", "RESOLVED"),
                            ),
                            _connector="OR",
                        ),
                        name="report_has_one_subject",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("claimed_by__isnull", True), ("outcome__isnull", True), ("status", "OPEN")),
                            models.Q(("claimed_by__isnull", False), ("outcome__isnull", True), ("status", "CLAIMED")),
                            models.Q(("outcome__isnull", False), ("status", "RESOLVED")),
                            _connector="OR",
                        ),
                        name="report_status_fits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("person__isnull", True), ("person", models.F("about")), _connector="OR"),
                        name="report_is_about_them",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("whisper__isnull", False), models.Q(("status", "RESOLVED"), _negated=True)),
                        fields=("whisper", "reporter"),
                        name="report_one_open_of_a_whisper",
                        nulls_distinct=False,
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("story__isnull", False), models.Q(("status", "RESOLVED"), _negated=True)),
                        fields=("story", "reporter"),
                        name="report_one_open_of_a_story",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("chapter__isnull", False), models.Q(("status", "RESOLVED"), _negated=True)),
                        fields=("chapter", "reporter"),
                        name="report_one_open_of_a_chapter",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("person__isnull", False), models.Q(("status", "RESOLVED"), _negated=True)),
                        fields=("person", "reporter"),
                        name="report_one_open_of_a_person",
                    ),
                    backend.engine.guard.VersionGuard(
                        fixed=("id", "about", "reporter", "person", "reason", "created_at"),
                        name="report_version_guard",
                        sides={"": {"state": ("status", "outcome", "claimed_by", "whisper", "story", "chapter")}},
                    ),
                ],
            },
        ),
    ]
