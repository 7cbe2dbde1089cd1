from typing import Any

from django.db import migrations

from tenants.models import grant

# As they were when this migration was written; what later ones add is theirs to name.
SEES = ("domains.view_domain", "domains.view_recordcheck")
HELPS = (*SEES, "domains.hold_domain")
DECIDES = (*HELPS, "domains.transfer_domain", "domains.approve_claim")

GRANTED = {
    "Support": DECIDES,
    "Operator": HELPS,
    "Trust & Safety": HELPS,
    "Admin": DECIDES,
}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [("domains", "0001_initial"), ("tenants", "0003_roles")]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
