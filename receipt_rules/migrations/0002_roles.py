from typing import Any

from django.db import migrations

from tenants.models import grant

# As they were when this migration was written; what later ones add is theirs to name.
ROWS = "address catchall endpoint expectation ignoreddifference look ownruleset pendingchange run runstep snapshot".split()
SEES = tuple(f"receipt_rules.view_{row}" for row in ROWS)
OPERATES = (*SEES, "receipt_rules.operate_rules")

GRANTED = {
    "Support": SEES,
    "Operator": OPERATES,
    "Trust & Safety": SEES,
    "Admin": OPERATES,
}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0001_initial"), ("tenants", "0003_roles")]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
