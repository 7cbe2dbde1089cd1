"""Identities that SES has below customers' domains."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("domains", "0021_wanted_with_key")]

    operations = [
        migrations.CreateModel(
            name="SubIdentity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("region", models.CharField(max_length=32)),
                ("name", models.CharField(max_length=320)),
                ("seen_at", models.DateTimeField(auto_now_add=True)),
                (
                    "domain",
                    models.ForeignKey(
                        help_text="The closest domain above that a customer has.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sub_identities",
                        to="domains.domain",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
                "constraints": (models.UniqueConstraint(fields=("region", "name"), name="sub_identity_once"),),
            },
        ),
    ]
