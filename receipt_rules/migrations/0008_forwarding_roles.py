from typing import Any

from django.db import migrations

from tenants.models import grant

SEES = ("receipt_rules.view_forwarding",)
GRANTED = {"Support": SEES, "Operator": SEES, "Trust & Safety": SEES, "Admin": SEES}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0007_forwarding"), ("receipt_rules", "0002_roles")]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
