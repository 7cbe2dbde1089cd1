import re
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPException
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.utils import timezone
from pytest_django import Settings

from accounts.members.services import change_member_role, leave, remove_member, revoke_invitation
from accounts.models.people import Customer, MemberRole, Membership, User
from accounts.people.services import change_account, disable, enable
from accounts.roles import Role
from audit import services as audit_services
from audit.models import Change
from inbound_admin.lib.errors import NotAllowed, Refused
from notifications.email import services as email_services
from operations.customers.services import create_customer, delete_customer, rename_customer
from tenants.lifecycle.selectors import tenant_of
from tests.accounts.invitations import logged_changes, membership_of, send_invitation
from tests.factories import make_member, make_staff, make_user

pytestmark = pytest.mark.django_db


# --- customers ---------------------------------------------------------------------------------------------------


def test_a_new_customer_has_its_owner_and_one_change() -> None:
    sam, bob = make_staff(), make_user()
    customer = create_customer(name="  Bob's \n Shop ", owner=bob, actor=sam)
    assert (customer.name, membership_of(bob).role) == ("Bob's Shop", MemberRole.OWNER)
    change = Change.objects.get(object_type="customer")
    assert (change.what, change.actor_id, change.customer_id) == ("customer.created", str(sam.pk), customer.pk)


def test_the_same_form_sent_twice_creates_one_customer() -> None:
    sam, chosen = make_staff(), "cus_" + "0" * 20
    first = create_customer(name="Acme", owner=None, actor=sam, customer_id=chosen)
    assert create_customer(name="Acme", owner=None, actor=sam, customer_id=chosen) == first
    assert logged_changes() == ["customer.created", "tenant.added"]


def test_the_form_of_a_customer_that_was_deleted_creates_no_other_with_its_history(settings: Settings) -> None:
    settings.TENANT_FOR_NEW_CUSTOMERS = False
    sam, chosen = make_staff(), "cus_" + "0" * 20
    first = create_customer(name="Acme", owner=None, actor=sam, customer_id=chosen)
    delete_customer(customer=first, actor=make_staff(Role.ADMIN))
    with pytest.raises(Refused, match="Reload the form"):
        create_customer(name="Other Ltd", owner=None, actor=sam, customer_id=chosen)
    assert not Customer.objects.exists()


def test_a_new_customer_gets_a_tenant_used_by_its_sends() -> None:
    customer = create_customer(name="Acme", owner=make_user(), actor=None)
    tenant = tenant_of(customer)
    assert tenant is not None
    assert tenant.sends_since is not None


def test_a_setting_turns_tenants_for_new_customers_off(settings: Settings) -> None:
    settings.TENANT_FOR_NEW_CUSTOMERS = False
    assert tenant_of(create_customer(name="Acme", owner=make_user(), actor=None)) is None


def test_a_customer_with_a_tenant_cannot_be_deleted() -> None:
    customer = create_customer(name="Acme", owner=None, actor=None)
    with pytest.raises(Refused, match="still has tenant acme-.*on the tenant's page"):
        delete_customer(customer=customer, actor=make_staff(Role.ADMIN))


def test_owners_of_a_deleted_customer_are_sent_an_email_that_is_tried_again() -> None:
    bob, amy = make_user("bob@bob.example"), make_staff(Role.ADMIN)
    customer = Customer.objects.create(name="Bob's Shop")
    Membership.objects.create(customer=customer, user=bob, role=MemberRole.OWNER)
    with audit_services.acting(lambda: "Closed"):
        delete_customer(customer=customer, actor=amy)
    with patch.object(EmailMessage, "send", side_effect=SMTPException):
        email_services.send_due(now=timezone.now())
    assert mail.outbox == []
    email_services.send_due(now=timezone.now() + timedelta(hours=1))
    (message,) = mail.outbox
    assert (message.to, message.subject) == (
        ["bob@bob.example"],
        "Bob's Shop: An organisation that you owned was deleted",
    )
    assert f"{amy.get_username()} deleted Bob's Shop. Reason: Closed\nYour own account is unchanged." in message.body


@pytest.mark.parametrize(
    ("name", "chosen", "sentence"),
    [
        (" ", "", "Enter a name."),
        ("x" * 121, "", "The name has 121 characters. The maximum is 120."),
        ("Acme", "dom_1", "This customer ID is not valid. Reload the form."),
    ],
)
def test_an_invalid_customer_is_refused_with_the_reason(name: str, chosen: str, sentence: str) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(sentence)}$"):
        create_customer(name=name, owner=None, actor=None, customer_id=chosen)
    assert not Change.objects.exists()


def test_only_staff_can_create_customers_for_others(alice: User) -> None:
    with pytest.raises(NotAllowed, match="Your role can't create customers."):
        create_customer(name="More", owner=None, actor=alice)


def test_renaming_logs_the_old_name_and_an_equal_name_logs_nothing(acme: Customer, alice: User) -> None:
    rename_customer(customer=acme, name="Acme Ltd", actor=alice)
    rename_customer(customer=acme, name="Acme  Ltd", actor=alice)
    change = Change.objects.get()
    assert (change.before, change.after) == ({"name": "Acme"}, {"name": "Acme Ltd"})


# --- permissions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["member", "stranger", "operator", "former owner"])
def test_only_owners_and_permitted_staff_manage_a_customer(acme: Customer, alice: User, who: str) -> None:
    actors: dict[str, Callable[[], User]] = {
        "member": lambda: make_member(acme, role=MemberRole.MEMBER),
        "stranger": make_member,
        "operator": lambda: make_staff(Role.OPERATOR),
        "former owner": lambda: make_member(acme, is_active=False),
    }
    actor, target = actors[who](), membership_of(alice)
    open_one = send_invitation(acme, alice).invitation
    attempts: list[Callable[[], Any]] = [
        lambda: rename_customer(customer=acme, name="Mine", actor=actor),
        lambda: send_invitation(acme, actor, "friend@bob.example"),
        lambda: revoke_invitation(invitation=open_one, actor=actor),
        lambda: change_member_role(membership=target, role=MemberRole.MEMBER, actor=actor),
        lambda: remove_member(membership=target, actor=actor),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowed, match="Only an owner of Acme can do this. Ask one of them."):
            attempt()
    assert logged_changes() == ["member.invited"]


def test_support_manages_every_customer(acme: Customer) -> None:
    assert send_invitation(acme, make_staff()).mailed


# --- members -----------------------------------------------------------------------------------------------------


def test_a_changed_role_logs_one_change_and_an_equal_role_none(acme: Customer, alice: User) -> None:
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
    with pytest.raises(Refused, match="This person is no longer a member."):
        remove_member(membership=membership, actor=alice)


def test_a_member_can_leave(acme: Customer, alice: User) -> None:
    carol = make_member(acme, role=MemberRole.MEMBER)
    leave(membership=membership_of(carol))
    assert logged_changes() == ["member.left"]


@pytest.mark.parametrize("how", ["demote", "remove", "leave"])
def test_the_last_owner_cannot_be_removed_or_demoted_or_leave(acme: Customer, alice: User, how: str) -> None:
    make_member(acme, is_active=False)  # a disabled owner does not count
    make_member(acme, role=MemberRole.MEMBER)
    target, sam = membership_of(alice), make_staff()
    attempts: dict[str, Callable[[], None]] = {
        "demote": lambda: change_member_role(membership=target, role=MemberRole.MEMBER, actor=sam),
        "remove": lambda: remove_member(membership=target, actor=sam),
        "leave": lambda: leave(membership=target),
    }
    with pytest.raises(Refused, match="alice@acme.example is the last owner of Acme. Make another member an owner"):
        attempts[how]()
    assert membership_of(alice).role == MemberRole.OWNER


def test_the_last_owner_beside_disabled_people_is_told_to_invite_another(acme: Customer, alice: User) -> None:
    make_member(acme, is_active=False)
    with pytest.raises(Refused, match="Invite another owner first, or ask support"):
        leave(membership=membership_of(alice))


# --- people ------------------------------------------------------------------------------------------------------


def test_a_changed_account_logs_one_change_and_an_unchanged_one_none() -> None:
    alice = make_user()
    change_account(person=alice, name="Alice A.", theme="dark", density="compact", shortcuts=False)
    change_account(person=alice, name="Alice A.", theme="dark", density="compact", shortcuts=False)
    change = Change.objects.get()
    assert change.after == {"name": "Alice A.", "theme": "dark", "density": "compact", "shortcuts": False}
    assert change.for_staff


def test_a_disabled_user_can_be_enabled_again() -> None:
    adam, alice = make_staff(Role.ADMIN), make_user()
    disable(person=alice, actor=adam)
    disable(person=alice, actor=adam)
    enable(person=alice, actor=adam)
    alice.refresh_from_db()
    assert alice.is_active
    assert logged_changes() == ["person.switched_off", "person.switched_on"]


def test_users_cannot_disable_themselves_or_a_superior() -> None:
    adam, sam, root = make_staff(Role.ADMIN), make_staff(), make_user(is_superuser=True, email="root@us.example")
    with pytest.raises(Refused, match="You can't disable your own account."):
        disable(person=adam, actor=adam)
    with pytest.raises(NotAllowed, match="Your role can't manage accounts."):
        disable(person=adam, actor=sam)
    with pytest.raises(NotAllowed, match="root@us.example is a superuser. Only another superuser"):
        disable(person=root, actor=adam)
