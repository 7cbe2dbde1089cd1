"""The settings of endpoints that move in are encrypted, as endpoints' own are."""

from django.db import migrations

from inbound_admin.lib.sealing import seal_values, unseal_values


def seal(apps, _editor):
    for row in apps.get_model("operations", "MovingInRow").objects.filter(kind="endpoint").iterator():
        if isinstance(config := row.values.get("config"), dict):
            row.values["config"] = seal_values(config)
            row.save(update_fields=("values",))


def unseal(apps, _editor):
    for row in apps.get_model("operations", "MovingInRow").objects.filter(kind="endpoint").iterator():
        if isinstance(config := row.values.get("config"), str):
            row.values["config"] = unseal_values(config)
            row.save(update_fields=("values",))


class Migration(migrations.Migration):
    dependencies = [("operations", "0007_removals_are_marked")]
    operations = [migrations.RunPython(seal, unseal)]
