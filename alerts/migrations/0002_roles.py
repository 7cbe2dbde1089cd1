from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

# As they were when this migration was written; what later ones add is theirs to name.
SEES = ("view_alert", "view_event", "view_webhooktarget", "view_delivery", "view_attempt", "view_notice")
GRANTED = {
    "Support": SEES,
    "Operator": (*SEES, "manage_staff_webhooks"),
    "Trust & Safety": (*SEES, "manage_staff_webhooks"),
    "Admin": (*SEES, "manage_staff_webhooks"),
}


def make_roles(apps: Any, schema_editor: Any) -> None:
    """Here and not by `tenants.models.grant`: that app stands above this one."""
    create_permissions(installed.get_app_config("alerts"), apps=apps, verbosity=0)
    for name, codenames in GRANTED.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        found = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="alerts")
        group.permissions.add(*found.filter(codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]  # people keep their groups
