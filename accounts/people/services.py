"""Change people's accounts: sessions, own settings, staff decisions, the legacy import and security emails.

- Sessions: when one started, whether its person signed in recently, and how sessions end.
- Legacy import: a person of the old system becomes an account, with a customer if they have none. It sends no email.
  The person gets no password; the reset link lets them in. The customer gets no tenant: a tenant
  migration creates it.
- Security emails notify a person of changes to their account. allauth sends its own for passwords,
  addresses and factors (`ACCOUNT_EMAIL_NOTIFICATIONS`); this module sends the others.
"""

import time
from collections.abc import Iterable
from smtplib import SMTPException
from typing import Any

import structlog
from allauth.account.forms import ResetPasswordForm
from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.members import services as members_services
from accounts.models.people import Customer, MemberRole, Membership, User
from accounts.people.selectors import customer_subject, is_staff_member, same_email
from audit import services as audit_services
from inbound_admin.lib.errors import NotAllowed, Refused
from inbound_admin.lib.mail_names import LONGEST_NAME, plain_name, require_email
from inbound_admin.lib.seen import refuse_if_changed

SIGNED_IN_AT = "signed_in_at"


def record_sign_in(request: HttpRequest, **_: Any) -> None:
    """Receiver of Django's signal for every sign-in, including that of a new invited person."""
    request.session[SIGNED_IN_AT] = time.time()


def has_just_signed_in(request: HttpRequest) -> bool:
    """Whether the session signed in so recently that no password is required."""
    return _age(request) < float(settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def is_session_expired(request: HttpRequest) -> bool:
    """Whether a staff session has passed its maximum age. A session of unknown age is over."""
    if not isinstance(request.user, User):
        return False
    return _age(request) >= settings.STAFF_SESSION_HOURS * 3600 and is_staff_member(request.user)


def end_sessions(person: User) -> None:
    """End all sessions of the person at their next request."""
    User.objects.filter(pk=person.pk).update(session_generation=F("session_generation") + 1)
    person.refresh_from_db(fields=("session_generation",))


def end_other_sessions(request: HttpRequest, user: User, **_: Any) -> None:
    """Receiver of allauth's signals of a new or removed factor: end the other sessions."""
    end_sessions(user)
    update_session_auth_hash(request, user)


def refuse_unproven_sign_in_address(instance: EmailAddress, **_: Any) -> None:
    """Receiver of Django's signal before an address is stored. allauth lets people without a confirmed address sign in
    with any other. An import, or an invitation, would then take them for its holder.

    The address so far stays the one to sign in with: allauth has just stored that it isn't.
    """
    if instance.primary and not instance.verified and instance.email.lower() != instance.user.email.lower():
        own = EmailAddress.objects.filter(user=instance.user_id)
        if not own.filter(primary=True).exists():
            own.filter(same_email(instance.user.email)).update(primary=True)
        sentence = f"Confirm {instance.email} first, with the link we sent there."
        raise Refused(sentence, code="ADDRESS_UNPROVEN")


def _age(request: HttpRequest) -> float:
    return time.time() - float(request.session.get(SIGNED_IN_AT, 0))


def person_subject(person: User) -> audit_services.Subject:
    return audit_services.Subject("person", str(person.pk), person.email)


@transaction.atomic
def change_account(
    *,
    person: User,
    name: str | None = None,
    theme: str | None = None,
    density: str | None = None,
    shortcuts: bool | None = None,
    seen: str = "",
) -> None:
    """Store a person's own settings. None leaves a setting unchanged. `seen`: of the form that shows them all.

    Raises ChangedMeanwhile.
    """
    locked = User.locked(person.pk, no_key=True)
    before = shown_account(locked)
    if name is not None and (plain := plain_name(name)[:LONGEST_NAME]) != locked.get_full_name():
        locked.first_name, locked.last_name = plain, ""
    locked.theme = locked.theme if theme is None else theme
    locked.density = locked.density if density is None else density
    locked.shortcuts = locked.shortcuts if shortcuts is None else shortcuts
    if shown_account(locked) == before:
        return
    refuse_if_changed(seen, before)
    locked.save(update_fields=("first_name", "last_name", "theme", "density", "shortcuts"))
    _record("person.account_changed", locked, person, before, shown_account(locked))


@transaction.atomic
def store_person(*, person: User, groups: Iterable[Group], actor: User, seen: str = "") -> None:
    """Save staff's changes to a new or existing person as one change. `seen`: of the form that shows the person.

    Raises Refused and ChangedMeanwhile.
    """
    known = User.objects.select_for_update().filter(pk=person.pk).first() if person.pk else None
    _may_decide(actor, known)
    if person.is_superuser and not actor.is_superuser:
        raise NotAllowed("Only a superuser can create a superuser.")
    if person == actor and not person.is_active:
        raise Refused("You can't disable your own account.")
    before = shown_person(known) if known else {}
    names = {group.name for group in groups}
    if known is not None:
        person.session_generation = known.session_generation
        _may_gain(known, gained=_powers(person, names) - _powers(known, set(before["roles"])))
    person.email = person.email.strip().lower()
    person.first_name = plain_name(person.first_name)[:LONGEST_NAME]
    person.last_name = plain_name(person.last_name)[:LONGEST_NAME]
    if known is None:
        person.set_unusable_password()
    elif before != shown_person(person) | {"roles": sorted(names)}:
        refuse_if_changed(seen, before)
    try:
        with transaction.atomic():
            person.save()
    except IntegrityError as error:
        raise Refused(f"{person.email} has an account already.", code="PERSON_EXISTS") from error
    person.groups.set(groups)
    if known is not None:
        members_services.revoke_sent_invitations(person, actor=actor)
    if before != shown_person(person):
        end_sessions(person)
        _record("person.changed" if known else "person.added", person, actor, before, shown_person(person))


def disable(*, person: User, actor: User) -> None:
    """Disable the account, end its sessions and revoke the invitations that it sent. Raises Refused."""
    if person == actor:
        raise Refused("You can't disable your own account.")
    _set_active(person, actor, active=False)


def enable(*, person: User, actor: User) -> None:
    """Raises Refused."""
    _set_active(person, actor, active=True)


def send_password_link(*, person: User, actor: User, request: HttpRequest) -> None:
    """Send allauth's link to set a password; the request provides the host. Raises Refused."""
    _may_decide(actor, person)
    if not person.is_active:
        raise Refused(f"{person} is disabled.")
    form = ResetPasswordForm({"email": person.email})
    if not form.is_valid():
        raise Refused(f"Couldn't send a link to {person.email}: {' '.join(form.errors.get('email', []))}")
    form.save(request)
    _record("person.password_link_sent", person, actor, {}, {"to": person.email})


@transaction.atomic
def _set_active(person: User, actor: User, *, active: bool) -> None:
    locked = User.locked(person.pk, no_key=True)
    _may_decide(actor, locked)
    if locked.is_active == active:
        return
    locked.is_active = active
    locked.save(update_fields=("is_active",))
    end_sessions(locked)
    if not active:
        members_services.revoke_sent_invitations(locked, actor=actor)
    what = "person.switched_on" if active else "person.switched_off"
    _record(what, locked, actor, {"active": not active}, {"active": active})


def _may_decide(actor: User, person: User | None) -> None:
    if not actor.has_perm("accounts.add_user" if person is None else "accounts.change_user"):
        raise NotAllowed("Your role can't manage accounts.")
    if person is not None and person.is_superuser and not actor.is_superuser:
        raise NotAllowed(f"{person} is a superuser. Only another superuser can change the account.")


def _powers(person: User, roles: set[str]) -> set[str]:
    flags = {"staff": person.is_staff, "superuser": person.is_superuser}
    return roles | {name for name, has in flags.items() if has}


def _may_gain(person: User, *, gained: set[str]) -> None:
    """Raise Refused unless an existing account has a confirmed address and, if required, a second factor."""
    if not gained:
        return
    if not EmailAddress.objects.filter(same_email(person.email), user=person, verified=True).exists():
        sentence = f"{person.email} is unconfirmed. Ask the owner to confirm it under"
        raise Refused(f"{sentence} Your account > Email address.", code="ADDRESS_UNPROVEN")
    if settings.STAFF_MFA_REQUIRED and not is_mfa_enabled(person):
        raise Refused(f"{person.email} has no two-step sign-in. Ask the owner to set it up first.", code="MFA_REQUIRED")


def shown_account(person: User) -> dict[str, Any]:
    return {
        "name": person.get_full_name(),
        "theme": str(person.theme),
        "density": str(person.density),
        "shortcuts": person.shortcuts,
    }


def shown_person(person: User) -> dict[str, Any]:
    """Return what staff decide about a person, as the form shows it."""
    return {
        "email": person.email,
        "name": person.get_full_name(),
        "active": person.is_active,
        "staff": person.is_staff,
        "superuser": person.is_superuser,
        "roles": sorted(person.groups.values_list("name", flat=True)),
    }


def _record(
    what: str, person: User, actor: User | None, before: dict[str, Any], after: dict[str, Any], **more: str
) -> None:
    """Record a change for staff only, because a person doesn't belong to one customer."""
    about = person_subject(person)
    audit_services.record(what, about=about, actor=actor, before=before, after=after, for_staff=True, **more)


def import_person(*, email: str, name: str, actor: User | None, because: str, bulk_id: str) -> tuple[User, bool]:
    """Return the person with this address and whether they are new. Raises Refused."""
    known = User.objects.filter(same_email(email)).first()
    if known is not None and EmailAddress.objects.filter(same_email(known.email), user=known, verified=False).exists():
        sentence = f"{known.email} signed up here, but hasn't confirmed the address. Ask the owner to confirm it first."
        raise Refused(sentence, code="ADDRESS_UNPROVEN")  # anyone can sign up with any address
    if known is not None:
        return known, False
    try:
        require_email(email)
    except ValidationError as error:
        raise Refused(f"“{email[:80]}” isn't a valid email address.", code="NOT_AN_ADDRESS") from error
    plain = plain_name(name)[:LONGEST_NAME]
    try:
        with transaction.atomic():
            made = User.objects.create_user(email, None, first_name=plain)
    except IntegrityError as error:
        raise Refused(
            f"{email} was added by someone else at the same time. Try again.", code="PERSON_EXISTS"
        ) from error
    _record("person.added", made, actor, {}, {"email": made.email, "name": plain}, because=because, bulk_id=bulk_id)
    return made, True


def import_customer(*, owner: User, actor: User | None, because: str, bulk_id: str) -> tuple[Customer, bool]:
    """Return the customer the person owns and whether it is new. Raises Refused if they own several."""
    known = list(Customer.objects.filter(memberships__user=owner, memberships__role=MemberRole.OWNER)[:2])
    if len(known) > 1:
        raise Refused(f"{owner.email} owns several customers, so the right one is unclear.", code="SEVERAL_CUSTOMERS")
    if known:
        return known[0], False
    with transaction.atomic():
        made = Customer.objects.create(name=plain_name(str(owner))[:120])
        Membership.objects.create(customer=made, user=owner, role=MemberRole.OWNER)
        audit_services.record(
            "customer.created",
            about=customer_subject(made),
            actor=actor,
            because=because,
            after={"name": made.name, "owner": owner.email},
            bulk_id=bulk_id,
        )
    return made, True


log = structlog.get_logger(__name__)


def notify_about_account(*, person: User, what: str) -> None:
    """Send a security email directly after the transaction, without the worker."""
    context = {"what": what, "at": timezone.now(), "site_name": settings.SITE_NAME, "site_url": settings.SITE_URL}
    text = render_to_string("accounts/people/account_mail.txt", context)
    transaction.on_commit(lambda: _send(person, text))


def _send(person: User, text: str) -> None:
    """Send the email. A failure is only logged, because the change is already stored."""
    try:
        send_mail(f"Your account at {settings.SITE_NAME}", text, settings.DEFAULT_FROM_EMAIL, [person.email])
    except (SMTPException, OSError) as error:
        log.error("mail about an account not sent", person=person.pk, error=str(error))
