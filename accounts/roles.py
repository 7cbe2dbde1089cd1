"""Permissions of staff roles: one table, applied to Django's groups after each migrate."""

from enum import StrEnum
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

from accounts.models.people import User
from inbound_admin.lib.errors import NotAllowed, Refused


class Role(StrEnum):
    SUPPORT = "Support"
    OPERATOR = "Operator"
    TRUST_AND_SAFETY = "Trust & Safety"
    ADMIN = "Admin"


def require(actor: User | None, permission: str, sentence: str, *, customer_id: str = "") -> None:
    """Raise NotAllowed with the sentence unless the actor has the permission, or is a member of this customer."""
    if actor is not None and not actor.may_for(customer_id, permission):
        raise NotAllowed(sentence)


def require_reason(because: str, sentence: str) -> str:
    """Return the trimmed reason. Raises Refused with the sentence if it is blank."""
    if not because.strip():
        raise Refused(sentence, code="REASON_MISSING")
    return because.strip()


_ALL = tuple(Role)
_SUPPORT, _OPERATOR, _TRUST, _ADMIN = Role.SUPPORT, Role.OPERATOR, Role.TRUST_AND_SAFETY, Role.ADMIN

_SEEN_BY_ALL = {  # models whose rows each role sees in the admin, by app
    "audit": "change",
    "accounts": "customer invitation membership user apikey",
    "notifications": "alert event webhooktarget delivery attempt notice",
    "tenants": "tenant tenantresource statuschange",
    "domains": "domain recordcheck",
    "receipt_rules": (
        "activeruleset address catchall endpoint expectation forwarding ignoreddifference "
        "rulescheck ownruleset pendingchange receivingstop run runstep snapshot"
    ),
    "operations": "migration migrationitem migrationstep difference driftcheck",
}

# Support has no change_user: anyone who can write another account can take it over.
PERMISSIONS: dict[str, tuple[Role, ...]] = {
    **{f"{app}.view_{model}": _ALL for app, models in _SEEN_BY_ALL.items() for model in models.split()},
    "accounts.support_customer": _ALL,
    "accounts.change_apikey": (_OPERATOR, _ADMIN),
    "accounts.add_customer": (_SUPPORT, _ADMIN),
    "accounts.change_customer": (_SUPPORT, _ADMIN),
    "accounts.change_invitation": (_SUPPORT, _ADMIN),
    "accounts.change_membership": (_SUPPORT, _ADMIN),
    "accounts.delete_membership": (_SUPPORT, _ADMIN),
    "accounts.add_user": (_ADMIN,),
    "accounts.change_user": (_ADMIN,),
    "accounts.delete_customer": (_ADMIN,),
    "notifications.manage_staff_webhooks": (_OPERATOR, _TRUST, _ADMIN),
    "tenants.manage_tenant": (_OPERATOR, _ADMIN),
    "tenants.pause_tenant": (_TRUST, _ADMIN),
    "domains.hold_domain": _ALL,
    "domains.transfer_domain": (_SUPPORT, _ADMIN),
    "domains.approve_claim": (_SUPPORT, _ADMIN),
    "domains.adopt_identity": (_OPERATOR, _ADMIN),
    "domains.expect_record": (_SUPPORT, _OPERATOR, _ADMIN),
    "domains.override_state": (_OPERATOR, _ADMIN),
    "receipt_rules.operate_rules": (_OPERATOR, _ADMIN),
    "receipt_rules.route_mail": (_OPERATOR, _ADMIN),
}


def permissions_of(role: Role) -> frozenset[str]:
    """Return the permissions of a role as `app_label.codename`."""
    return frozenset(name for name, roles in PERMISSIONS.items() if role in roles)


def apply_roles(app_config: AppConfig, using: str, **_: Any) -> None:
    """Receiver of post_migrate: set the permissions of the role groups for this app.

    Permissions of other groups and of people are unchanged.
    """
    label = app_config.label
    named = {name.partition(".")[2] for name in PERMISSIONS if name.startswith(f"{label}.")}
    if not named:
        return
    create_permissions(app_config, verbosity=0, using=using)
    rows = {row.codename: row for row in Permission.objects.using(using).filter(content_type__app_label=label)}
    for role in Role:
        group, _created = Group.objects.using(using).get_or_create(name=role.value)
        wanted = [rows[codename] for codename in named if f"{label}.{codename}" in permissions_of(role)]
        group.permissions.remove(*(row for row in rows.values() if row not in wanted))
        group.permissions.add(*wanted)
