"""People: what they set themselves, and what our staff decide of their accounts."""

from collections.abc import Iterable
from typing import Any

from allauth.account.forms import ResetPasswordForm
from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest

from changes import services as changes
from inbound_admin.lib.errors import Refused
from tenants.models import User
from tenants.services.customers import NotAllowed
from tenants.services.sign_ins import end_sessions


def person_subject(person: User) -> changes.Subject:
    return changes.Subject("person", str(person.pk), person.email)


@transaction.atomic
def change_account(
    *, person: User, name: str | None = None, theme: str | None = None, shortcuts: bool | None = None
) -> None:
    """What a person sets for themselves; None leaves it."""
    locked = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    before = _own(locked)
    if name is not None and name.strip() != locked.get_full_name():
        locked.first_name, locked.last_name = name.strip(), ""
    locked.theme = locked.theme if theme is None else theme
    locked.shortcuts = locked.shortcuts if shortcuts is None else shortcuts
    if _own(locked) == before:
        return
    locked.save(update_fields=("first_name", "last_name", "theme", "shortcuts"))
    _record("person.account_changed", locked, person, before, _own(locked))


@transaction.atomic
def store_person(*, person: User, groups: Iterable[Group], actor: User) -> None:
    """Save what staff decided of a person, new or known, as one change. Raises Refused."""
    known = User.objects.select_for_update().filter(pk=person.pk).first() if person.pk else None
    _may_decide(actor, known)
    if person.is_superuser and not actor.is_superuser:
        raise NotAllowed("Only a superuser can make a superuser.")
    if person == actor and not person.is_active:
        raise Refused("You cannot switch yourself off.")
    before = _decided(known) if known else {}
    names = {group.name for group in groups}
    if known is not None:
        person.session_generation = known.session_generation
        _may_gain(known, gained=_powers(person, names) - _powers(known, set(before["roles"])))
    person.email = person.email.strip().lower()
    if known is None:
        person.set_unusable_password()
    person.save()
    person.groups.set(groups)
    if before != _decided(person):
        end_sessions(person)
        _record("person.changed" if known else "person.added", person, actor, before, _decided(person))


def switch_off(*, person: User, actor: User) -> None:
    """Signs them out everywhere at once, and keeps them out. Raises Refused."""
    if person == actor:
        raise Refused("You cannot switch yourself off.")
    _set_active(person, actor, active=False)


def switch_on(*, person: User, actor: User) -> None:
    """Raises Refused."""
    _set_active(person, actor, active=True)


def send_password_link(*, person: User, actor: User, request: HttpRequest) -> None:
    """An e-mail with allauth's link to set a password; the request gives the link its host. Raises Refused."""
    _may_decide(actor, person)
    if not person.is_active:
        raise Refused(f"{person} is switched off.")
    form = ResetPasswordForm({"email": person.email})
    if not form.is_valid():
        raise Refused(f"{person.email} cannot receive a link: {' '.join(form.errors.get('email', []))}")
    form.save(request)
    _record("person.password_link_sent", person, actor, {}, {"to": person.email})


@transaction.atomic
def _set_active(person: User, actor: User, *, active: bool) -> None:
    locked = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    _may_decide(actor, locked)
    if locked.is_active == active:
        return
    locked.is_active = active
    locked.save(update_fields=("is_active",))
    end_sessions(locked)
    what = "person.switched_on" if active else "person.switched_off"
    _record(what, locked, actor, {"active": not active}, {"active": active})


def _may_decide(actor: User, person: User | None) -> None:
    if not actor.has_perm("tenants.add_user" if person is None else "tenants.change_user"):
        raise NotAllowed("Your role cannot decide over accounts.")
    if person is not None and person.is_superuser and not actor.is_superuser:
        raise NotAllowed(f"{person} is a superuser; only another superuser can change them.")


def _powers(person: User, roles: set[str]) -> set[str]:
    flags = {"staff": person.is_staff, "superuser": person.is_superuser}
    return roles | {name for name, has in flags.items() if has}


def _may_gain(person: User, *, gained: set[str]) -> None:
    """An account that is there already may be anybody's who once had a link: its owner must have proven more."""
    if not gained:
        return
    if not EmailAddress.objects.filter(user=person, email__iexact=person.email, verified=True).exists():
        said = (
            f"{person.email} is not confirmed yet, so nobody knows whose this account is. Its owner confirms it under"
        )
        raise Refused(f"{said} Your account, E-mail address.", code="ADDRESS_UNPROVEN")
    if settings.STAFF_MFA_REQUIRED and not is_mfa_enabled(person):
        raise Refused(f"{person.email} has no two-step sign-in yet. Its owner sets it up first.", code="MFA_REQUIRED")


def _own(person: User) -> dict[str, Any]:
    return {"name": person.get_full_name(), "theme": str(person.theme), "shortcuts": person.shortcuts}


def _decided(person: User) -> dict[str, Any]:
    return {
        "email": person.email,
        "name": person.get_full_name(),
        "active": person.is_active,
        "staff": person.is_staff,
        "superuser": person.is_superuser,
        "roles": sorted(person.groups.values_list("name", flat=True)),
    }


def _record(what: str, person: User, actor: User, before: dict[str, Any], after: dict[str, Any]) -> None:
    """For staff alone: a person belongs to no one customer."""
    changes.record(what, about=person_subject(person), actor=actor, before=before, after=after, for_staff=True)
