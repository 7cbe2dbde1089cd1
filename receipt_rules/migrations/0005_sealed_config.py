"""Endpoints' settings are encrypted, and the change log keeps none of their secrets, of past changes either."""

import pgtrigger
from django.db import migrations, models

from inbound_admin.lib.masking import masked_change
from inbound_admin.lib.sealing import seal_values, unseal_values


def seal(apps, _editor):
    for endpoint in apps.get_model("receipt_rules", "Endpoint").objects.only("config").iterator():
        endpoint.sealed_config = seal_values(endpoint.config)
        endpoint.save(update_fields=("sealed_config",))


def unseal(apps, _editor):
    for endpoint in apps.get_model("receipt_rules", "Endpoint").objects.only("sealed_config").iterator():
        endpoint.config = unseal_values(endpoint.sealed_config)
        endpoint.save(update_fields=("config",))


def scrub(apps, _editor):
    """The one change that rows of the log ever see: what never should have stood there goes."""
    changes = apps.get_model("changes", "Change").objects
    with pgtrigger.ignore("changes.Change:append_only"):
        for row in changes.filter(object_type="endpoint").only("before", "after").iterator():
            before, after = masked_change(row.before, row.after)
            if (before, after) != (row.before, row.after):
                changes.filter(pk=row.pk).update(before=before, after=after)


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0005_snapshot_holders"), ("changes", "0002_by_time")]
    operations = [
        migrations.AddField(
            model_name="endpoint",
            name="sealed_config",
            field=models.TextField(blank=True, help_text="`config`, encrypted: it holds customers' secrets."),
        ),
        migrations.RunPython(seal, unseal),
        migrations.RunPython(scrub, migrations.RunPython.noop),
    ]
