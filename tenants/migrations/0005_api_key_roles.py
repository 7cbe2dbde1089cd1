from typing import Any

from django.db import migrations

from tenants.models import grant

# Who operates receiving withdraws the key that its function uses; the others see that there is one.
GRANTED = {
    "Support": ("tenants.view_apikey",),
    "Operator": ("tenants.view_apikey", "tenants.change_apikey"),
    "Trust & Safety": ("tenants.view_apikey",),
    "Admin": ("tenants.view_apikey", "tenants.change_apikey"),
}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_api_keys")]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
