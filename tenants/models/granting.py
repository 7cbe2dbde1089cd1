"""What the roles of our staff may do, given by migrations."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions


def grant(apps: Any, permissions: Mapping[str, Iterable[str]]) -> None:
    """For migrations: give groups (by name, made if absent) permissions written as `domains.hold_domain`.

    Django makes the permissions of an app only after all migrations have run, so those that are named are made here.
    """
    for app_label in sorted({name.partition(".")[0] for names in permissions.values() for name in names}):
        create_permissions(installed.get_app_config(app_label), apps=apps, verbosity=0)
    for name, wanted in permissions.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=str(name))
        group.permissions.add(*(_permission(apps, permission) for permission in wanted))


def _permission(apps: Any, name: str) -> Any:
    app_label, _, codename = name.partition(".")
    return apps.get_model("auth", "Permission").objects.get(content_type__app_label=app_label, codename=codename)
