from typing import Any

from django.db import migrations


def mark(apps: Any, schema_editor: Any) -> None:
    """A removal that was under way marked its domain only at the end; now it does so first."""
    removals = apps.get_model("operations", "DomainRemoval").objects.values("domain")
    domains = apps.get_model("domains", "Domain").objects.filter(pk__in=removals)
    domains.exclude(stage="claim").update(stage="deleting", routes_removed_at=None)


class Migration(migrations.Migration):
    dependencies = [("operations", "0006_bulk"), ("domains", "0012_removal_of_routes")]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop)]
