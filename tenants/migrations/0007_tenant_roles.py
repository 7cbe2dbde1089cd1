from typing import Any

from django.db import migrations

from tenants.models import grant

# As they were when this migration was written; what later ones add is theirs to name.
SEES = ("tenants.view_tenant", "tenants.view_tenantresource", "tenants.view_statuschange")
PAUSES = (*SEES, "tenants.pause_tenant")

GRANTED = {
    "Support": SEES,
    "Operator": (*SEES, "tenants.manage_tenant"),
    "Trust & Safety": PAUSES,
    "Admin": (*PAUSES, "tenants.manage_tenant"),
}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0006_ses_tenants")]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
