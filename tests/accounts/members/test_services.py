"""Invitations: sent, withdrawn, accepted, and all of it concurrently."""

import re
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from threading import Barrier, Thread
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.members.core import InvitationState
from accounts.members.services import (
    MOST_IN_AN_HOUR,
    Invited,
    Needs,
    accept_invitation,
    change_member_role,
    leave,
    offer,
    remove_member,
    revoke_invitation,
)
from accounts.models.people import Customer, Invitation, MemberRole, Membership, User
from accounts.people.selectors import people_by_email
from accounts.people.services import disable, store_person
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import RateLimited, Refused
from operations.customers.services import rename_customer
from tests.accounts.invitations import PASSWORD, SITE, logged_changes, membership_of, send_invitation, token_of
from tests.factories import make_customer, make_member, make_staff, make_user

pytestmark = pytest.mark.django_db


# --- invitations -------------------------------------------------------------------------------------------------


def test_an_invitation_is_emailed_and_only_its_hash_is_stored(acme: Customer, alice: User) -> None:
    sent = send_invitation(acme, alice, " Carol@Acme.example ")
    (letter,) = mail.outbox
    assert (letter.to, letter.subject) == (["carol@acme.example"], "Invitation to Inbound Admin")
    assert f"{SITE}customers/invitation/{token_of(sent)}/" in letter.body
    stored = " ".join(str(value) for value in Invitation.objects.values().get().values())
    logged = " ".join(f"{change.before} {change.after}" for change in Change.objects.all())
    assert token_of(sent) not in stored + logged
    assert logged_changes() == ["member.invited"]


def test_the_token_is_only_in_the_email(acme: Customer, alice: User) -> None:
    sent = send_invitation(acme, alice)
    token = token_of(sent)
    assert token not in repr(sent) + repr(vars(sent.invitation))
    assert len(mail.outbox) == 1


def test_names_chosen_by_strangers_bring_no_link_into_the_email(acme: Customer, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(first_name="Win at https://evil.example/now\u202e")
    rename_customer(customer=acme, name="evil.com " + "free money " * 9, actor=alice)
    send_invitation(acme, User.objects.get(pk=alice.pk))
    (letter,) = mail.outbox
    assert "evil" not in f"{letter.body} {letter.subject}"
    assert "Win at invited you to free money" in letter.body
    assert "free money " * 6 not in letter.body


def test_a_recipient_gets_a_limited_number_of_invitations_per_day(
    acme: Customer, alice: User, bob: User, settings: Settings
) -> None:
    settings.UNSOLICITED_MAILS_PER_DAY = 3
    other = bob.memberships.get().customer
    for customer, actor in ((acme, alice), (other, bob), (acme, alice)):
        send_invitation(customer, actor, "victim@else.example")
    kept = Invitation.objects.get(customer=other)
    for customer, actor in ((acme, alice), (other, bob)):
        with pytest.raises(RateLimited, match="our daily limit of emails"):
            send_invitation(customer, actor, "Victim+1@else.example" if actor == alice else "victim@else.example")
    assert len(mail.outbox) == 3
    kept.refresh_from_db()
    assert kept.state is InvitationState.OPEN, "a refused invitation replaces nothing"
    assert send_invitation(acme, alice, "somebody@else.example").mailed


def test_an_invitation_expires_after_the_configured_days(acme: Customer, alice: User, settings: Settings) -> None:
    settings.INVITATION_DAYS = 2
    left = send_invitation(acme, alice).invitation.expires_at - timezone.now()
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)


def test_a_line_break_in_a_customers_name_adds_no_email_header(alice: User, acme: Customer) -> None:
    rename_customer(customer=acme, name="Acme\nBcc: all@example.com", actor=alice)
    send_invitation(acme, alice)
    assert mail.outbox[0].subject == "Invitation to Inbound Admin"
    assert "invited you to Acme Bcc: on Inbound Admin" in mail.outbox[0].body


def test_a_second_invitation_revokes_the_first(acme: Customer, alice: User) -> None:
    first, second = send_invitation(acme, alice), send_invitation(acme, alice, role="owner")
    with pytest.raises(Refused, match="This invitation was revoked or replaced."):
        offer(token=token_of(first), person=None)
    assert accept_invitation(token=token_of(second), person=None, name="Carol", password=PASSWORD).is_owner


def test_an_invitation_whose_email_fails_stays_open_with_a_message(
    acme: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> int:
        raise SMTPServerDisconnected("gone")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", unreachable)
    sent = send_invitation(acme, alice)
    assert not sent.mailed
    assert sent.invitation.state is InvitationState.OPEN


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("nonsense", "“nonsense” isn't a valid email address."),
        ("ALICE@acme.example", "alice@acme.example already belongs to Acme."),
        ("alice@home.example", "alice@home.example already belongs to Acme."),
    ],
)
def test_an_invalid_invitee_is_refused_with_the_reason(acme: Customer, alice: User, email: str, sentence: str) -> None:
    EmailAddress.objects.create(user=alice, email="alice@home.example", verified=True)
    with pytest.raises(Refused, match=f"^{re.escape(sentence)}$"):
        send_invitation(acme, alice, email)
    assert (mail.outbox, logged_changes()) == ([], [])


def test_invitations_are_limited_per_hour(acme: Customer, alice: User) -> None:
    for number in range(MOST_IN_AN_HOUR):
        send_invitation(acme, alice, f"person{number}@acme.example")
    with pytest.raises(RateLimited, match="at most 30 invitations per hour."):
        send_invitation(acme, alice)
    Invitation.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert send_invitation(acme, alice).mailed


def test_withdrawing_twice_logs_one_change(acme: Customer, alice: User) -> None:
    sent = send_invitation(acme, alice)
    revoke_invitation(invitation=sent.invitation, actor=alice)
    revoke_invitation(invitation=sent.invitation, actor=alice)
    assert logged_changes() == ["member.invited", "invitation.revoked"]


def test_an_accepted_invitation_cannot_be_withdrawn(acme: Customer, alice: User) -> None:
    sent = send_invitation(acme, alice)
    accept_invitation(token=token_of(sent), person=None, name="Carol", password=PASSWORD)
    with pytest.raises(Refused, match="carol@acme.example has already accepted. Remove the member instead."):
        revoke_invitation(invitation=sent.invitation, actor=alice)


def remove(person: User, actor: User) -> None:
    remove_member(membership=membership_of(person), actor=actor)


def demote(person: User, actor: User) -> None:
    change_member_role(membership=membership_of(person), role=MemberRole.MEMBER, actor=actor)


def disable_account(person: User, _actor: User) -> None:
    disable(person=person, actor=make_user(is_superuser=True))


def disable_in_the_admin(person: User, _actor: User) -> None:
    person.is_active = False
    store_person(person=person, groups=[], actor=make_user(is_superuser=True))


@pytest.mark.parametrize("end", [remove, demote, disable_account, disable_in_the_admin])
def test_invitations_by_someone_who_lost_access_are_revoked(
    acme: Customer, alice: User, end: Callable[[User, User], None]
) -> None:
    mallory = make_member(acme)
    theirs, hers = (
        send_invitation(acme, mallory, "back@door.example"),
        send_invitation(acme, alice, "carol@acme.example"),
    )
    end(mallory, alice)
    with pytest.raises(Refused, match="revoked"):
        accept_invitation(token=token_of(theirs), person=None, name="Mallory", password=PASSWORD)
    assert accept_invitation(token=token_of(hers), person=None, name="Carol", password=PASSWORD)
    assert "invitation.revoked" in logged_changes()


def test_invitations_by_someone_who_lost_a_staff_role_are_revoked(acme: Customer) -> None:
    """Support invites to any customer. What they may still invite to as an owner stays open."""
    sam = make_staff(Role.SUPPORT)
    own = make_customer("Sam's own")
    Membership.objects.create(customer=own, user=sam, role=MemberRole.OWNER)
    to_acme, to_own = send_invitation(acme, sam, "back@door.example"), send_invitation(own, sam, "dora@own.example")
    sam.is_staff = False
    store_person(person=sam, groups=[], actor=make_user(is_superuser=True))
    with pytest.raises(Refused, match="revoked"):
        accept_invitation(token=token_of(to_acme), person=None, name="Sam", password=PASSWORD)
    assert accept_invitation(token=token_of(to_own), person=None, name="Dora", password=PASSWORD)


def test_invitations_to_another_customer_survive_when_a_member_leaves(acme: Customer) -> None:
    other, dora = make_customer(), make_member(acme)
    make_member(acme)
    Membership.objects.create(customer=other, user=dora, role=MemberRole.OWNER)
    sent = send_invitation(other, dora, "carol@acme.example")
    leave(membership=Membership.objects.get(user=dora, customer=acme))
    assert accept_invitation(token=token_of(sent), person=None, name="Carol", password=PASSWORD)


# --- accepting ---------------------------------------------------------------------------------------------------


def test_a_new_person_gets_an_account_with_a_verified_address(acme: Customer, alice: User) -> None:
    sent = send_invitation(acme, alice)
    membership = accept_invitation(token=token_of(sent), person=None, name=" Carol C. ", password=PASSWORD)
    carol = User.objects.get(email="carol@acme.example")
    assert (membership.user, membership.role, str(carol)) == (carol, MemberRole.MEMBER, "Carol C.")
    assert carol.check_password(PASSWORD)
    assert EmailAddress.objects.get(user=carol, primary=True).verified
    change = Change.objects.order_by("pk")[1]
    assert (change.what, change.actor_id, change.after["new_account"]) == ("member.joined", str(carol.pk), True)
    assert Change.objects.count() == 2


def test_a_person_with_an_account_joins_a_second_customer(acme: Customer, alice: User) -> None:
    bob = make_member(make_customer("Bob's"), email="bob@bob.example")
    token = token_of(send_invitation(acme, alice, bob.email))
    assert offer(token=token, person=None).needs is Needs.SIGN_IN
    assert offer(token=token, person=bob).needs is Needs.NOTHING
    accept_invitation(token=token, person=bob)
    assert set(bob.customers.values_list("name", flat=True)) == {"Acme", "Bob's"}


def test_an_invitation_does_not_take_over_an_existing_account(acme: Customer, alice: User) -> None:
    bob = make_user(email="bob@bob.example")
    token = token_of(send_invitation(acme, alice, bob.email))
    with pytest.raises(Refused, match="bob@bob.example already has an account. Sign in with it, then accept."):
        accept_invitation(token=token, person=None, name="Bob", password="stolen by the link")
    bob.refresh_from_db()
    assert not bob.check_password("stolen by the link")


def update_invitation(invitation: Invitation, **fields: Any) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(**fields)


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"accepted_at": 0}, "INVITATION_USED", "This invitation has already been used. If you used it, sign in."),
        ({"revoked_at": 0}, "INVITATION_REVOKED", "This invitation was revoked or replaced. Use the link"),
        ({"expires_at": 0}, "INVITATION_EXPIRED", "This invitation expired on"),
    ],
)
def test_a_link_that_has_ended_says_why(
    acme: Customer, alice: User, fields: dict[str, int], code: str, sentence: str
) -> None:
    sent = send_invitation(acme, alice)
    update_invitation(sent.invitation, **dict.fromkeys(fields, timezone.now()))
    attempts: tuple[Callable[[], object], ...] = (
        lambda: offer(token=token_of(sent), person=None),
        lambda: accept_invitation(token=token_of(sent), person=None, name="C", password=PASSWORD),
    )
    for attempt in attempts:
        with pytest.raises(Refused, match=sentence) as refused:
            attempt()
        assert (refused.value.code, refused.value.status) == (code, 410)
    assert not User.objects.filter(email="carol@acme.example").exists()


def test_an_unknown_link_is_404() -> None:
    with pytest.raises(Refused, match="This link isn't valid.") as refused:
        offer(token="made-up", person=None)
    assert refused.value.status == 404


def test_a_link_for_another_person_names_the_invited_address(acme: Customer, alice: User) -> None:
    bob, sent = make_user(email="bob@bob.example"), send_invitation(acme, alice)
    sentence = "This invitation is for carol@acme.example, but you're signed in as bob@bob.example."
    with pytest.raises(Refused, match=sentence):
        accept_invitation(token=token_of(sent), person=bob)


def test_an_unverified_second_address_cannot_accept(acme: Customer, alice: User) -> None:
    bob, sent = make_user(email="bob@bob.example"), send_invitation(acme, alice)
    claimed = EmailAddress.objects.create(user=bob, email="carol@acme.example", verified=False)
    with pytest.raises(Refused, match="This invitation is for carol@acme.example"):
        accept_invitation(token=token_of(sent), person=bob)
    claimed.verified = True
    claimed.save()
    assert accept_invitation(token=token_of(sent), person=bob).user == bob


def test_a_disabled_person_or_a_member_cannot_accept(acme: Customer, alice: User) -> None:
    off = make_user(email="off@acme.example", is_active=False)
    with pytest.raises(Refused, match="The account off@acme.example is disabled. Contact support."):
        offer(token=token_of(send_invitation(acme, alice, off.email)), person=None)
    bob = make_user(email="bob@bob.example")
    sent = send_invitation(acme, alice, bob.email)
    Membership.objects.create(customer=acme, user=bob)
    with pytest.raises(Refused, match="You already belong to Acme."):
        accept_invitation(token=token_of(sent), person=bob)


def test_a_new_person_needs_a_password(acme: Customer, alice: User) -> None:
    with pytest.raises(Refused, match="Choose a password."):
        accept_invitation(token=token_of(send_invitation(acme, alice)), person=None, name="Carol")


def test_a_dotless_i_is_no_i_of_another_address() -> None:
    acme = make_customer("Acme")
    make_member(acme, email="kit@kiteandkey.example")
    lookalike = "kit@k\u0131teandkey.example"
    assert not people_by_email(lookalike).exists()
    assert people_by_email("KIT@kiteandkey.example").exists()


# --- races -------------------------------------------------------------------------------------------------------


def run_concurrently(*acts: Callable[[], object]) -> list[object]:
    """Call all at the same moment, each on its own connection. Return each result or refusal."""
    start, outcomes = Barrier(len(acts), timeout=10), list[object]()

    def run(act: Callable[[], object]) -> None:
        try:
            start.wait()
            outcomes.append(act())
        except Exception as error:  # noqa: BLE001  the test checks any outcome
            outcomes.append(error)
        finally:
            connection.close()

    threads = [Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_concurrent_acceptances_create_one_membership() -> None:
    acme = make_customer("Acme")
    token = token_of(send_invitation(acme, make_member(acme)))

    def accept() -> Membership:
        return accept_invitation(token=token, person=None, name="Carol", password=PASSWORD)

    outcomes = run_concurrently(accept, accept, accept)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["InvitationGone", "InvitationGone", "Membership"]
    assert Membership.objects.filter(user__email="carol@acme.example").count() == 1
    assert logged_changes().count("member.joined") == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_last_owners_who_leave_concurrently_one_stays() -> None:
    acme = make_customer("Acme")
    first, second = (membership_of(make_member(acme)) for _ in range(2))
    outcomes = run_concurrently(lambda: leave(membership=first), lambda: leave(membership=second))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Refused"]
    assert acme.memberships.filter(role=MemberRole.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_invitations_leave_one_open_invitation() -> None:
    acme = make_customer("Acme")
    alice = make_member(acme)
    outcomes = run_concurrently(lambda: send_invitation(acme, alice), lambda: send_invitation(acme, alice))
    assert all(isinstance(outcome, Invited) for outcome in outcomes)
    assert Invitation.objects.filter(accepted_at=None, revoked_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_accepting_and_inviting_concurrently_leaves_one_valid_result() -> None:
    acme = make_customer("Acme")
    alice = make_member(acme)
    token = token_of(send_invitation(acme, alice))
    outcomes = run_concurrently(
        lambda: accept_invitation(token=token, person=None, name="Carol", password=PASSWORD),
        lambda: send_invitation(acme, alice),
    )
    assert all(isinstance(outcome, Membership | Invited | Refused) for outcome in outcomes)
    joined = Membership.objects.filter(user__email="carol@acme.example").count()
    assert joined + Invitation.objects.filter(accepted_at=None, revoked_at=None).count() == 1
