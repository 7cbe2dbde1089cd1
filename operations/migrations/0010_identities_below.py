"""Migrations know the identities below their customers' domains, and who asked for a retry or a rollback."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("operations", "0009_legacy_import"),
    ]

    operations = [
        migrations.AddField(
            "Migration",
            "associates_below",
            models.BooleanField(
                db_default=False,
                default=False,
                help_text="Identities below the customers' domains join their tenants too.",
            ),
        ),
        migrations.AddField(
            "Migration",
            "identities_read_at",
            models.DateTimeField(help_text="When SES's identities were last listed for it.", null=True),
        ),
        migrations.AddField(
            "MigrationItem",
            "rolls_back",
            models.BooleanField(
                db_default=False, default=False, help_text="A rollback was requested, and is not done."
            ),
        ),
        migrations.AddField(
            "MigrationItem",
            "is_retried",
            models.BooleanField(
                db_default=False, default=False, help_text="SES is asked again which tenants have each identity."
            ),
        ),
        migrations.AddField(
            "MigrationItem",
            "asked_by",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                help_text="Who started, retried or rolled it back last.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            "MigrationItem",
            "asked_because",
            models.TextField(blank=True, db_default="", help_text="The reason of the last rollback."),
        ),
    ]
