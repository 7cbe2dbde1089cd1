from typing import Any

from django.db import migrations

from tenants.models import grant

# As they were when this migration was written; what later ones add is theirs to name.
ROWS = "migration migrationitem migrationstep difference driftlook".split()
SEES = (*(f"operations.view_{row}" for row in ROWS), "receipt_rules.view_receivingstop")

GRANTED = dict.fromkeys(("Support", "Operator", "Trust & Safety", "Admin"), SEES)


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0001_initial"),
        ("receipt_rules", "0003_receiving_stop"),
        ("tenants", "0003_roles"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
