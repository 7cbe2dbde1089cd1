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

from changes.models import Change
from inbound_admin.lib.errors import RateLimited, Refused
from tenants.core.roles import Role
from tenants.models import Customer, Invitation, MemberRole, Membership, User
from tenants.selectors import tenant_of
from tenants.services import create_customer, delete_customer, rename_customer
from tenants.services.accepting import Needs, accept_invitation, offer
from tenants.services.customers import NotAllowed
from tenants.services.invitations import MOST_IN_AN_HOUR, Invited, invite, revoke_invitation
from tenants.services.members import change_member_role, leave, remove_member
from tenants.services.people import change_account, switch_off, switch_on
from tests.factories import make_customer, make_member, make_staff, make_user

pytestmark = pytest.mark.django_db

SITE = "https://panel.example/"
PASSWORD = "a long sentence that nobody else says"


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme")


@pytest.fixture
def alice(acme: Customer) -> User:
    return make_member(acme, email="alice@acme.example")


def invited(customer: Customer, actor: User, email: str = "carol@acme.example", role: str = "member") -> Invited:
    return invite(customer=customer, email=email, role=MemberRole(role), actor=actor, site_url=SITE)


def token_of(sent: Invited) -> str:
    return sent.link.rstrip("/").rsplit("/", 1)[1]


def membership_of(person: User) -> Membership:
    return Membership.objects.get(user=person)


def verbs() -> list[str]:
    return list(Change.objects.order_by("pk").values_list("what", flat=True))


# --- customers ---------------------------------------------------------------------------------------------------


def test_a_new_customer_has_its_owner_and_one_change() -> None:
    sam, bob = make_staff(), make_user()
    customer = create_customer(name="  Bob's \n Shop ", owner=bob, actor=sam)
    assert (customer.name, membership_of(bob).role) == ("Bob's Shop", MemberRole.OWNER)
    change = Change.objects.get(object_type="customer")
    assert (change.what, change.actor_id, change.customer_id) == ("customer.created", str(sam.pk), customer.pk)


def test_the_same_form_sent_twice_makes_one_customer() -> None:
    sam, chosen = make_staff(), "cus_" + "0" * 20
    first = create_customer(name="Acme", owner=None, actor=sam, customer_id=chosen)
    assert create_customer(name="Acme", owner=None, actor=sam, customer_id=chosen) == first
    assert verbs() == ["customer.created", "tenant.added"]


def test_a_new_customer_gets_a_tenant_which_its_sends_name_at_once() -> None:
    customer = create_customer(name="Acme", owner=make_user(), actor=None)
    tenant = tenant_of(customer)
    assert tenant is not None
    assert tenant.sends_since is not None


def test_a_customer_gets_no_tenant_where_the_setting_says_so(settings: Settings) -> None:
    settings.TENANT_FOR_NEW_CUSTOMERS = False
    assert tenant_of(create_customer(name="Acme", owner=make_user(), actor=None)) is None


def test_a_customer_with_a_tenant_is_not_deleted_and_the_refusal_says_how() -> None:
    customer = create_customer(name="Acme", owner=None, actor=None)
    with pytest.raises(Refused, match="still has the tenant acme-.*on the tenant's page"):
        delete_customer(customer=customer, actor=make_staff(Role.ADMIN))


@pytest.mark.parametrize(
    ("name", "chosen", "sentence"),
    [
        (" ", "", "A customer needs a name."),
        ("x" * 121, "", "The name has 121 characters; 120 is the most."),
        ("Acme", "dom_1", "That is not an id of a customer. Open the form again."),
    ],
)
def test_a_customer_that_cannot_be_is_refused_in_words(name: str, chosen: str, sentence: str) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(sentence)}$"):
        create_customer(name=name, owner=None, actor=None, customer_id=chosen)
    assert not Change.objects.exists()


def test_who_is_not_staff_creates_no_customer_for_others(alice: User) -> None:
    with pytest.raises(NotAllowed, match="Your role cannot create customers."):
        create_customer(name="More", owner=None, actor=alice)


def test_renaming_keeps_the_old_name_in_the_log_and_the_same_name_leaves_none(acme: Customer, alice: User) -> None:
    rename_customer(customer=acme, name="Acme Ltd", actor=alice)
    rename_customer(customer=acme, name="Acme  Ltd", actor=alice)
    change = Change.objects.get()
    assert (change.before, change.after) == ({"name": "Acme"}, {"name": "Acme Ltd"})


# --- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["member", "stranger", "operator", "former owner"])
def test_only_owners_and_staff_with_the_permission_manage_a_customer(acme: Customer, alice: User, who: str) -> None:
    actors: dict[str, Callable[[], User]] = {
        "member": lambda: make_member(acme, role=MemberRole.MEMBER),
        "stranger": make_member,
        "operator": lambda: make_staff(Role.OPERATOR),
        "former owner": lambda: make_member(acme, is_active=False),
    }
    actor, target = actors[who](), membership_of(alice)
    open_one = invited(acme, alice).invitation
    attempts: list[Callable[[], Any]] = [
        lambda: rename_customer(customer=acme, name="Mine", actor=actor),
        lambda: invited(acme, actor, "friend@bob.example"),
        lambda: revoke_invitation(invitation=open_one, actor=actor),
        lambda: change_member_role(membership=target, role=MemberRole.MEMBER, actor=actor),
        lambda: remove_member(membership=target, actor=actor),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowed, match="Only an owner of Acme can do this. Ask one of them."):
            attempt()
    assert verbs() == ["member.invited"]


def test_support_manages_every_customer(acme: Customer) -> None:
    assert invited(acme, make_staff()).mailed


# --- members -----------------------------------------------------------------------------------------------------


def test_a_changed_role_leaves_one_change_and_the_same_role_none(acme: Customer, alice: User) -> None:
    carol = membership_of(make_member(acme, role=MemberRole.MEMBER, email="carol@acme.example"))
    change_member_role(membership=carol, role=MemberRole.OWNER, actor=alice)
    change_member_role(membership=carol, role=MemberRole.OWNER, actor=alice)
    change = Change.objects.get()
    assert (change.what, change.after) == ("member.role_changed", {"role of carol@acme.example": "owner"})


def test_a_removed_member_is_gone_and_named_in_the_log(acme: Customer, alice: User) -> None:
    carol = make_member(acme, email="carol@acme.example")
    membership = membership_of(carol)
    remove_member(membership=membership, actor=alice)
    assert list(acme.members.all()) == [alice]
    change = Change.objects.get()
    assert (change.what, change.before["member"]) == ("member.removed", "carol@acme.example")
    with pytest.raises(Refused, match="They are not a member any more."):
        remove_member(membership=membership, actor=alice)


def test_a_member_leaves_by_themselves(acme: Customer, alice: User) -> None:
    carol = make_member(acme, role=MemberRole.MEMBER)
    leave(membership=membership_of(carol))
    assert verbs() == ["member.left"]


@pytest.mark.parametrize("how", ["demote", "remove", "leave"])
def test_the_last_owner_stays_whoever_asks(acme: Customer, alice: User, how: str) -> None:
    make_member(acme, is_active=False)  # an owner who is switched off cannot look after anything
    make_member(acme, role=MemberRole.MEMBER)
    target, sam = membership_of(alice), make_staff()
    attempts: dict[str, Callable[[], None]] = {
        "demote": lambda: change_member_role(membership=target, role=MemberRole.MEMBER, actor=sam),
        "remove": lambda: remove_member(membership=target, actor=sam),
        "leave": lambda: leave(membership=target),
    }
    with pytest.raises(Refused, match="alice@acme.example is the last owner of Acme. Make somebody else an owner"):
        attempts[how]()
    assert membership_of(alice).role == MemberRole.OWNER


# --- invitations -------------------------------------------------------------------------------------------------


def test_an_invitation_is_mailed_with_its_link_and_only_a_hash_is_kept(acme: Customer, alice: User) -> None:
    sent = invited(acme, alice, " Carol@Acme.example ")
    (letter,) = mail.outbox
    assert (letter.to, letter.subject) == (["carol@acme.example"], "Join Acme on Inbound Admin")
    assert sent.link in letter.body
    stored = " ".join(str(value) for value in Invitation.objects.values().get().values())
    logged = " ".join(f"{change.before} {change.after}" for change in Change.objects.all())
    assert token_of(sent) not in stored + logged
    assert verbs() == ["member.invited"]


def test_an_invitation_lives_as_long_as_the_setting_says(acme: Customer, alice: User, settings: Settings) -> None:
    settings.INVITATION_DAYS = 2
    left = invited(acme, alice).invitation.expires_at - timezone.now()
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)


def test_a_customer_with_a_line_break_in_its_name_cannot_write_headers(alice: User, acme: Customer) -> None:
    rename_customer(customer=acme, name="Acme\nBcc: all@example.com", actor=alice)
    invited(acme, alice)
    assert mail.outbox[0].subject == "Join Acme Bcc: all@example.com on Inbound Admin"


def test_a_second_invitation_ends_the_first(acme: Customer, alice: User) -> None:
    first, second = invited(acme, alice), invited(acme, alice, role="owner")
    with pytest.raises(Refused, match="This invitation was withdrawn or replaced."):
        offer(token=token_of(first), person=None)
    assert accept_invitation(token=token_of(second), person=None, name="Carol", password=PASSWORD).is_owner


def test_an_invitation_whose_mail_fails_stands_and_says_so(
    acme: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> int:
        raise SMTPServerDisconnected("gone")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", unreachable)
    sent = invited(acme, alice)
    assert not sent.mailed
    assert offer(token=token_of(sent), person=None).needs is Needs.ACCOUNT


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("nonsense", "“nonsense” is not an e-mail address."),
        ("ALICE@acme.example", "alice@acme.example belongs to Acme already."),
        ("alice@home.example", "alice@home.example belongs to Acme already."),
    ],
)
def test_who_cannot_be_invited_is_said_in_words(acme: Customer, alice: User, email: str, sentence: str) -> None:
    EmailAddress.objects.create(user=alice, email="alice@home.example", verified=True)
    with pytest.raises(Refused, match=f"^{re.escape(sentence)}$"):
        invited(acme, alice, email)
    assert (mail.outbox, verbs()) == ([], [])


def test_invitations_have_a_limit_in_the_hour(acme: Customer, alice: User) -> None:
    for number in range(MOST_IN_AN_HOUR):
        invited(acme, alice, f"person{number}@acme.example")
    with pytest.raises(RateLimited, match="30 invitations have gone out within an hour, which is the most."):
        invited(acme, alice)
    Invitation.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert invited(acme, alice).mailed


def test_withdrawing_leaves_one_change_and_again_none(acme: Customer, alice: User) -> None:
    sent = invited(acme, alice)
    revoke_invitation(invitation=sent.invitation, actor=alice)
    revoke_invitation(invitation=sent.invitation, actor=alice)
    assert verbs() == ["member.invited", "invitation.revoked"]


def test_an_accepted_invitation_cannot_be_withdrawn(acme: Customer, alice: User) -> None:
    sent = invited(acme, alice)
    accept_invitation(token=token_of(sent), person=None, name="Carol", password=PASSWORD)
    with pytest.raises(Refused, match="carol@acme.example has accepted already. Remove the member instead."):
        revoke_invitation(invitation=sent.invitation, actor=alice)


# --- accepting ---------------------------------------------------------------------------------------------------


def test_somebody_new_gets_an_account_whose_address_is_proven(acme: Customer, alice: User) -> None:
    sent = invited(acme, alice)
    membership = accept_invitation(token=token_of(sent), person=None, name=" Carol C. ", password=PASSWORD)
    carol = User.objects.get(email="carol@acme.example")
    assert (membership.user, membership.role, str(carol)) == (carol, MemberRole.MEMBER, "Carol C.")
    assert carol.check_password(PASSWORD)
    assert EmailAddress.objects.get(user=carol, primary=True).verified
    change = Change.objects.order_by("pk")[1]
    assert (change.what, change.actor_id, change.after["new_account"]) == ("member.joined", str(carol.pk), True)
    assert Change.objects.count() == 2


def test_somebody_with_an_account_joins_a_second_customer(acme: Customer, alice: User) -> None:
    bob = make_member(make_customer("Bob's"), email="bob@bob.example")
    token = token_of(invited(acme, alice, bob.email))
    assert offer(token=token, person=None).needs is Needs.SIGN_IN
    assert offer(token=token, person=bob).needs is Needs.NOTHING
    accept_invitation(token=token, person=bob)
    assert set(bob.customers.values_list("name", flat=True)) == {"Acme", "Bob's"}


def test_an_account_is_never_taken_over_by_an_invitation(acme: Customer, alice: User) -> None:
    bob = make_user(email="bob@bob.example")
    token = token_of(invited(acme, alice, bob.email))
    with pytest.raises(Refused, match="bob@bob.example has an account here. Sign in with it, then accept."):
        accept_invitation(token=token, person=None, name="Bob", password="stolen by the link")
    bob.refresh_from_db()
    assert not bob.check_password("stolen by the link")


def gone(invitation: Invitation, **fields: Any) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(**fields)


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"accepted_at": 0}, "INVITATION_USED", "This invitation was used already. If it was you, sign in."),
        ({"revoked_at": 0}, "INVITATION_REVOKED", "This invitation was withdrawn or replaced. Use the newest e-mail,"),
        ({"expires_at": 0}, "INVITATION_EXPIRED", "This invitation has expired, on"),
    ],
)
def test_a_link_whose_time_is_over_says_which_way(
    acme: Customer, alice: User, fields: dict[str, int], code: str, sentence: str
) -> None:
    sent = invited(acme, alice)
    gone(sent.invitation, **dict.fromkeys(fields, timezone.now()))
    attempts: tuple[Callable[[], object], ...] = (
        lambda: offer(token=token_of(sent), person=None),
        lambda: accept_invitation(token=token_of(sent), person=None, name="C", password=PASSWORD),
    )
    for attempt in attempts:
        with pytest.raises(Refused, match=sentence) as refused:
            attempt()
        assert (refused.value.code, refused.value.status) == (code, 410)
    assert not User.objects.filter(email="carol@acme.example").exists()


def test_a_link_that_is_not_ours_is_unknown() -> None:
    with pytest.raises(Refused, match="We do not know this link.") as refused:
        offer(token="made-up", person=None)
    assert refused.value.status == 404


def test_the_wrong_person_is_told_whom_it_is_for(acme: Customer, alice: User) -> None:
    bob, sent = make_user(email="bob@bob.example"), invited(acme, alice)
    sentence = "This invitation is for carol@acme.example, and you are signed in as bob@bob.example."
    with pytest.raises(Refused, match=sentence):
        accept_invitation(token=token_of(sent), person=bob)


def test_an_unproven_second_address_accepts_nothing(acme: Customer, alice: User) -> None:
    bob, sent = make_user(email="bob@bob.example"), invited(acme, alice)
    claimed = EmailAddress.objects.create(user=bob, email="carol@acme.example", verified=False)
    with pytest.raises(Refused, match="This invitation is for carol@acme.example"):
        accept_invitation(token=token_of(sent), person=bob)
    claimed.verified = True
    claimed.save()
    assert accept_invitation(token=token_of(sent), person=bob).user == bob


def test_who_is_switched_off_or_a_member_by_now_is_told(acme: Customer, alice: User) -> None:
    off = make_user(email="off@acme.example", is_active=False)
    with pytest.raises(Refused, match="The account of off@acme.example is switched off. Ask our support."):
        offer(token=token_of(invited(acme, alice, off.email)), person=None)
    bob = make_user(email="bob@bob.example")
    sent = invited(acme, alice, bob.email)
    Membership.objects.create(customer=acme, user=bob)
    with pytest.raises(Refused, match="You belong to Acme already."):
        accept_invitation(token=token_of(sent), person=bob)


def test_a_new_person_needs_a_password(acme: Customer, alice: User) -> None:
    with pytest.raises(Refused, match="Choose a password."):
        accept_invitation(token=token_of(invited(acme, alice)), person=None, name="Carol")


# --- races -------------------------------------------------------------------------------------------------------


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each returned or was refused with, all let go at the same moment, each on its own connection."""
    start, outcomes = Barrier(len(acts), timeout=10), list[object]()

    def run(act: Callable[[], object]) -> None:
        try:
            start.wait()
            outcomes.append(act())
        except Exception as error:  # noqa: BLE001  the test looks at whatever came out
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
def test_two_who_accept_at_once_make_one_membership() -> None:
    acme = make_customer("Acme")
    token = token_of(invited(acme, make_member(acme)))

    def accept() -> Membership:
        return accept_invitation(token=token, person=None, name="Carol", password=PASSWORD)

    outcomes = at_once(accept, accept, accept)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["InvitationGone", "InvitationGone", "Membership"]
    assert Membership.objects.filter(user__email="carol@acme.example").count() == 1
    assert verbs().count("member.joined") == 1


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_do_not_both_go() -> None:
    acme = make_customer("Acme")
    first, second = (membership_of(make_member(acme)) for _ in range(2))
    outcomes = at_once(lambda: leave(membership=first), lambda: leave(membership=second))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Refused"]
    assert acme.memberships.filter(role=MemberRole.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_invite_the_same_at_once_leave_one_link_that_works() -> None:
    acme = make_customer("Acme")
    alice = make_member(acme)
    outcomes = at_once(lambda: invited(acme, alice), lambda: invited(acme, alice))
    assert all(isinstance(outcome, Invited) for outcome in outcomes)
    assert Invitation.objects.filter(accepted_at=None, revoked_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_accepting_while_a_new_invitation_goes_out_ends_well_either_way() -> None:
    acme = make_customer("Acme")
    alice = make_member(acme)
    token = token_of(invited(acme, alice))
    outcomes = at_once(
        lambda: accept_invitation(token=token, person=None, name="Carol", password=PASSWORD),
        lambda: invited(acme, alice),
    )
    assert all(isinstance(outcome, Membership | Invited | Refused) for outcome in outcomes)
    joined = Membership.objects.filter(user__email="carol@acme.example").count()
    assert joined + Invitation.objects.filter(accepted_at=None, revoked_at=None).count() == 1


# --- people ------------------------------------------------------------------------------------------------------


def test_what_a_person_sets_is_one_change_and_nothing_new_is_none() -> None:
    alice = make_user()
    change_account(person=alice, name="Alice A.", theme="dark", shortcuts=False)
    change_account(person=alice, name="Alice A.", theme="dark", shortcuts=False)
    change = Change.objects.get()
    assert change.after == {"name": "Alice A.", "theme": "dark", "shortcuts": False}
    assert change.for_staff


def test_who_is_switched_off_comes_back_by_being_switched_on() -> None:
    adam, alice = make_staff(Role.ADMIN), make_user()
    switch_off(person=alice, actor=adam)
    switch_off(person=alice, actor=adam)
    switch_on(person=alice, actor=adam)
    alice.refresh_from_db()
    assert alice.is_active
    assert verbs() == ["person.switched_off", "person.switched_on"]


def test_nobody_is_switched_off_by_themselves_by_support_or_from_below() -> None:
    adam, sam, root = make_staff(Role.ADMIN), make_staff(), make_user(is_superuser=True, email="root@us.example")
    with pytest.raises(Refused, match="You cannot switch yourself off."):
        switch_off(person=adam, actor=adam)
    with pytest.raises(NotAllowed, match="Your role cannot decide over accounts."):
        switch_off(person=adam, actor=sam)
    with pytest.raises(NotAllowed, match="root@us.example is a superuser; only another superuser can change them."):
        switch_off(person=root, actor=adam)
