from typing import Any

from django.db import migrations

from tenants.models import grant

# As they were when this migration was written; what later ones add is theirs to name.
EXPECTS = ("domains.expect_record",)
OVERRIDES = (*EXPECTS, "domains.override_state")
GRANTED = {"Support": EXPECTS, "Operator": OVERRIDES, "Admin": OVERRIDES}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [("domains", "0010_overrides")]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
