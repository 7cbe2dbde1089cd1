from typing import Any

from django.db import migrations

from tenants.models import grant

# As they were when this migration was written; what later ones add is theirs to name.
GRANTED = {"Operator": ("domains.adopt_identity",), "Admin": ("domains.adopt_identity",)}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [("domains", "0007_adoption")]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
