from typing import Any

from django.db import migrations

from tenants.models import grant

# As they were when this migration was written; what later ones add is theirs to name.
SEES = (
    "changes.view_change",
    "tenants.support_customer",
    "tenants.view_customer",
    "tenants.view_invitation",
    "tenants.view_membership",
    "tenants.view_user",
)
LOOKS_AFTER_CUSTOMERS = (
    "tenants.add_customer",
    "tenants.change_customer",
    "tenants.change_invitation",
    "tenants.change_membership",
    "tenants.delete_membership",
)
# Support has no change_user: who can write another's account can become them.
LOOKS_AFTER_PEOPLE = ("tenants.add_user", "tenants.change_user", "tenants.delete_customer")

GRANTED = {
    "Support": (*SEES, *LOOKS_AFTER_CUSTOMERS),
    "Operator": SEES,
    "Trust & Safety": SEES,
    "Admin": (*SEES, *LOOKS_AFTER_CUSTOMERS, *LOOKS_AFTER_PEOPLE),
}


def make_roles(apps: Any, schema_editor: Any) -> None:
    grant(apps, GRANTED)


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0002_one_open_invitation"),
        ("changes", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
