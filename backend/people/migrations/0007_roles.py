from django.db import migrations, models

APART = "UPDATE people_account SET is_moderator = is_staff, is_staff = false WHERE is_staff"
TOGETHER = "UPDATE people_account SET is_staff = is_moderator"


class Migration(migrations.Migration):
    """Tell moderators from staff. Who was a moderator stays one; nobody is staff until `manage.py staff` says so."""

    dependencies = [
        ("people", "0006_removal_guards"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="is_moderator",
            field=models.BooleanField(db_default=False, default=False, verbose_name="moderator"),
        ),
        migrations.AlterField(
            model_name="account",
            name="is_staff",
            field=models.BooleanField(default=False, verbose_name="staff"),
        ),
        migrations.RunSQL(APART, TOGETHER),
    ]
