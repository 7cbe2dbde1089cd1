"""Who is forwarded to already stays so: an update stops nobody's mail. Whoever is added from now on is asked."""

import django.db.models.deletion
from django.db import migrations, models

import receipt_rules.models
from inbound_admin.lib.sealing import unseal_values


def confirm_present(apps, _editor):
    forwarding = apps.get_model("receipt_rules", "Forwarding")
    rows = {}
    for endpoint in apps.get_model("receipt_rules", "Endpoint").objects.exclude(type="webhook").iterator():
        config = unseal_values(endpoint.sealed_config)
        for address in (config.get("address"), *config.get("addresses", ())):
            if address:
                key = (endpoint.customer_id, address.lower())
                rows[key] = forwarding(customer_id=key[0], address=key[1], state="confirmed")
    forwarding.objects.bulk_create(rows.values(), batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0006_endpoint_without_config"), ("tenants", "0009_sealed_factors")]
    operations = [
        migrations.CreateModel(
            name="Forwarding",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=receipt_rules.models.new_forwarding_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("address", models.CharField(help_text="Lower case.", max_length=320)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for confirmation"),
                            ("confirmed", "Confirmed"),
                            ("refused", "Refused by the recipient"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "asked_at",
                    models.DateTimeField(help_text="When the last mail with the link went out.", null=True),
                ),
                ("asked_times", models.PositiveSmallIntegerField(default=0)),
                ("due_at", models.DateTimeField(help_text="When the next mail is to go out; null: none.", null=True)),
                (
                    "problem",
                    models.TextField(blank=True, help_text="Why no mail went out, in words for people."),
                ),
                ("answered_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.customer"
                    ),
                ),
            ],
            options={
                "verbose_name": "confirmation of forwarding",
                "verbose_name_plural": "confirmations of forwarding",
                "ordering": ("address", "id"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="forwarding_due"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "address"), name="forwarding_once")
                ],
            },
        ),
        migrations.RunPython(confirm_present, migrations.RunPython.noop),
    ]
