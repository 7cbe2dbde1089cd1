from django.conf import settings
from django.db import migrations


def carry_over(apps, schema_editor):
    """A stop of receiving, or its end, that SES's rules don't have yet is shown as requested, and tried again."""
    stops = apps.get_model("receipt_rules", "ReceivingStop").objects.filter(settled_at=None)
    tenants = apps.get_model("tenants", "Tenant").objects.filter(
        region=settings.AWS_REGION, receiving_asked_at=None
    )
    for stop in stops:  # few: only what SES refused, or what waits for the worker now
        tenants.filter(customer=stop.customer_id).update(receiving_asked_at=stop.asked_at)
    changes = apps.get_model("receipt_rules", "PendingChange").objects
    changes.filter(customer__in=stops.values("customer")).update(waits_because="")


class Migration(migrations.Migration):

    dependencies = [
        ("receipt_rules", "0026_receiving_ending"),
        ("tenants", "0015_receiving_state"),
    ]

    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop)]
