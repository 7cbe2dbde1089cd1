import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.members.services import invite
from accounts.models.people import Customer, Invitation, MemberRole, Membership, User
from accounts.roles import Role
from audit.models import Change
from audit.services import Subject, record
from domains.models.domains import Domain
from tests.factories import make_customer, make_member, make_staff, make_user
from tests.tenants.factories import jobs_of, make_tenant

pytestmark = pytest.mark.django_db


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def url(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=[quote(str(arg)) for arg in args])


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode()).replace("&#x27;", "'")


def run_action(client: Client, model: str, action: str, *rows: Any) -> str:
    given = {"action": action, "_selected_action": [row.pk for row in rows]}
    return text(client.post(url(f"{model}_changelist"), given, follow=True))


@pytest.fixture
def adam() -> Client:
    return signed_in(make_staff(Role.ADMIN, email="adam@us.example"))


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme")


@pytest.fixture
def alice(acme: Customer) -> User:
    return make_member(acme, email="alice@acme.example")


def invite_person(customer: Customer, actor: User, email: str = "carol@acme.example") -> Invitation:
    site = "http://testserver/"
    return invite(customer=customer, email=email, role=MemberRole.MEMBER, actor=actor, site_url=site).invitation


# --- sign-in and permissions -------------------------------------------------------------------------------------


def test_the_admin_redirects_to_the_normal_sign_in() -> None:
    for method in ("get", "post"):
        given = {"username": make_staff().email, "password": "correct horse battery"}
        response = getattr(Client(), method)("/admin/login/", given)
        assert response.headers["Location"].startswith("/accounts/login/?next=")


def test_a_customer_cannot_open_the_admin(alice: User) -> None:
    assert signed_in(alice).get("/admin/login/").status_code == 403
    assert signed_in(alice).get(url("accounts_user_changelist")).status_code == 302


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("model", ["accounts_user", "accounts_customer", "accounts_membership", "accounts_invitation"])
def test_every_role_can_view_people_and_customers(role: Role, model: str, acme: Customer, alice: User) -> None:
    row = {
        "user": alice,
        "customer": acme,
        "membership": alice.memberships.get(),
        "invitation": invite_person(acme, alice),
    }
    client = signed_in(make_staff(role))
    assert client.get(url(f"{model}_changelist"), {"q": "acme"}).status_code == 200
    assert client.get(url(f"{model}_change", row[model.partition("_")[2]].pk)).status_code == 200


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.OPERATOR, Role.TRUST_AND_SAFETY])
def test_only_admins_can_change_accounts(role: Role, alice: User) -> None:
    client = signed_in(make_staff(role))
    assert client.get(url("accounts_user_add")).status_code == 403
    assert client.post(url("accounts_user_change", alice.pk), {"is_staff": "on"}).status_code == 403
    run_action(client, "accounts_user", "turn_off", alice)
    alice.refresh_from_db()
    assert (alice.is_staff, alice.is_active) == (False, True)


# --- people ------------------------------------------------------------------------------------------------------


def test_a_colleague_is_added_with_a_role_and_sets_a_password_by_a_link(adam: Client) -> None:
    support = Group.objects.get(name=Role.SUPPORT)
    given = {"email": "Sam@us.example", "first_name": "Sam", "last_name": "", "is_staff": "on", "groups": support.pk}
    adam.post(url("accounts_user_add"), given)
    sam = User.objects.get(email="sam@us.example")
    assert (sam.is_staff, sam.has_usable_password(), list(sam.groups.all())) == (True, False, [support])
    assert "sent." in run_action(adam, "accounts_user", "send_link", sam)
    assert mail.outbox[0].to == ["sam@us.example"]
    assert list(Change.objects.order_by("pk").values_list("what", flat=True)) == [
        "person.added",
        "person.password_link_sent",
    ]


def test_a_role_change_is_logged_once_for_staff_only(adam: Client, alice: User) -> None:
    support = Group.objects.get(name=Role.SUPPORT)
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    given = {"first_name": "Alice", "last_name": "", "is_active": "on", "is_staff": "on", "groups": support.pk}
    assert adam.post(url("accounts_user_change", alice.pk), given).status_code == 302
    change = Change.objects.get()
    assert (change.what, change.for_staff, change.after["roles"]) == ("person.changed", True, ["Support"])
    adam.post(url("accounts_user_change", alice.pk), given)
    assert Change.objects.count() == 1


def test_an_admin_can_neither_grant_superuser_nor_change_an_email_address(adam: Client, alice: User) -> None:
    given = {"email": "mine@evil.example", "is_superuser": "on", "first_name": "A", "last_name": "", "is_active": "on"}
    adam.post(url("accounts_user_change", alice.pk), given)
    alice.refresh_from_db()
    assert (alice.email, alice.is_superuser, alice.first_name) == ("alice@acme.example", False, "A")


def test_an_admin_can_neither_change_a_superuser_nor_set_passwords(adam: Client, alice: User) -> None:
    root = make_user(is_superuser=True, is_staff=True)
    assert adam.post(url("accounts_user_change", root.pk), {"first_name": "X"}).status_code == 403
    assert "is a superuser. Only another superuser" in run_action(adam, "accounts_user", "turn_off", root)
    page = text(adam.get(url("accounts_user_change", alice.pk)))
    assert f"{alice.pk}/password/" not in page
    assert 'name="password' not in page
    assert adam.get(f"/admin/accounts/user/{alice.pk}/password/", follow=True).redirect_chain[-1][0] == "/admin/"


def test_people_cannot_be_deleted(adam: Client, alice: User) -> None:
    assert adam.post(url("accounts_user_delete", alice.pk), {"post": "yes"}).status_code == 403
    root = signed_in(make_user(is_superuser=True, is_staff=True))
    assert root.post(url("accounts_user_delete", alice.pk), {"post": "yes"}).status_code == 403


def test_an_action_continues_after_a_refused_row(adam: Client, alice: User) -> None:
    me = User.objects.get(email="adam@us.example")
    page = run_action(adam, "accounts_user", "turn_off", me, alice)
    assert "Adam@us.example: You can't disable your own account." in page
    assert "Alice@acme.example: disabled." in page
    assert "enabled." in run_action(adam, "accounts_user", "turn_on", alice)


def test_disabling_a_person_ends_their_session(adam: Client, acme: Customer, alice: User) -> None:
    browser = signed_in(alice)
    assert browser.get(f"/customers/{acme.pk}/").status_code == 200
    run_action(adam, "accounts_user", "turn_off", alice)
    assert browser.get(f"/customers/{acme.pk}/").status_code == 302


# --- customers ---------------------------------------------------------------------------------------------------


def test_creating_and_renaming_a_customer_is_logged(adam: Client) -> None:
    adam.post(url("accounts_customer_add"), {"name": "New Ltd"})
    customer = Customer.objects.get()
    adam.post(url("accounts_customer_change", customer.pk), {"name": "Newer Ltd"})
    about = Change.objects.filter(object_type="customer")
    changes = about.order_by("pk").values_list("what", "object_name", "actor_name")
    assert list(changes) == [
        ("customer.created", "New Ltd", "adam@us.example"),
        ("customer.renamed", "Newer Ltd", "adam@us.example"),
    ]


def test_the_admin_warns_once_about_a_duplicate_customer_name(adam: Client, acme: Customer) -> None:
    given = {"name": acme.name.upper()}
    warned = adam.post(url("accounts_customer_add"), given)
    assert f"A customer with this name already exists ({acme.pk}). Submit again to create another." in warned.text
    assert f'name="warned_of" value="{given["name"]}"' in warned.text
    assert Customer.objects.count() == 1
    adam.post(url("accounts_customer_add"), {**given, "warned_of": given["name"]})
    assert Customer.objects.count() == 2
    adam.post(url("accounts_customer_change", acme.pk), {"name": acme.name, "warned_of": acme.name})
    assert Customer.objects.filter(name=acme.name).count() == 1


def test_a_customer_with_domains_cannot_be_deleted_and_the_page_lists_them(
    adam: Client, acme: Customer, alice: User
) -> None:
    Domain.objects.create(customer=acme, name="shop.example.com", region="eu-west-1")
    for response in (
        adam.get(url("accounts_customer_delete", acme.pk)),
        adam.post(url("accounts_customer_delete", acme.pk), {"post": "yes"}),
    ):
        assert "would require deleting the following protected related objects:" in text(response)
        assert "shop.example.com" in text(response)
    assert Customer.objects.filter(pk=acme.pk).exists()


def test_a_customer_without_domains_is_deleted_with_members_and_invitations(
    adam: Client, acme: Customer, alice: User
) -> None:
    invite_person(acme, alice)
    assert adam.post(url("accounts_customer_delete", acme.pk), {"post": "yes"}).status_code == 302
    assert not Customer.objects.exists()
    assert User.objects.filter(pk=alice.pk).exists()
    assert Change.objects.filter(what="customer.deleted", object_name="Acme").count() == 1


def test_support_cannot_delete_a_customer(acme: Customer) -> None:
    client = signed_in(make_staff(Role.SUPPORT))
    assert client.post(url("accounts_customer_delete", acme.pk), {"post": "yes"}).status_code == 403


# --- members and invitations -------------------------------------------------------------------------------------


def test_role_changes_and_removals_of_members_use_the_services(adam: Client, acme: Customer, alice: User) -> None:
    carol = make_member(acme, role=MemberRole.MEMBER).memberships.get()
    adam.post(url("accounts_membership_change", carol.pk), {"role": "owner"})
    adam.post(url("accounts_membership_delete", carol.pk), {"post": "yes"})
    changes = Change.objects.order_by("pk").values_list("what", flat=True)
    assert list(changes) == ["member.role_changed", "member.removed"]


def test_the_last_owner_can_be_neither_demoted_nor_removed(adam: Client, acme: Customer, alice: User) -> None:
    only = alice.memberships.get()
    sentence = "alice@acme.example is the last owner of Acme. Invite another owner first, or ask support to delete it."
    assert sentence in text(adam.post(url("accounts_membership_change", only.pk), {"role": "member"}))
    removal = adam.post(url("accounts_membership_delete", only.pk), {"post": "yes"})
    assert removal.status_code == 422
    assert sentence in text(removal)
    assert sentence in delete_selected(adam, only)
    only.refresh_from_db()
    assert only.role == MemberRole.OWNER


def delete_selected(client: Client, *rows: Membership) -> str:
    given = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    return text(client.post(url("accounts_membership_changelist"), given))


def test_members_and_invitations_can_be_neither_added_nor_edited_as_rows(
    adam: Client, acme: Customer, alice: User
) -> None:
    assert adam.get(url("accounts_membership_add")).status_code == 403
    assert adam.get(url("accounts_invitation_add")).status_code == 403
    one = invite_person(acme, alice)
    assert adam.post(url("accounts_invitation_change", one.pk), {"email": "x@x.example"}).status_code == 403
    assert adam.post(url("accounts_invitation_delete", one.pk), {"post": "yes"}).status_code == 403


def test_invitations_are_resent_and_revoked_with_a_result_for_each(adam: Client, acme: Customer, alice: User) -> None:
    one = invite_person(acme, alice)
    assert "sent again." in run_action(adam, "accounts_invitation", "send_again", one)
    page = run_action(adam, "accounts_invitation", "send_again", one)
    assert "it is already revoked. Invite the person again" in page
    newest = Invitation.objects.get(revoked_at=None)
    assert "revoked." in run_action(adam, "accounts_invitation", "revoke", newest)
    assert not Invitation.objects.filter(revoked_at=None).exists()


def test_an_invitations_token_hash_is_not_shown(adam: Client, acme: Customer, alice: User) -> None:
    one = invite_person(acme, alice)
    assert one.token_hash not in text(adam.get(url("accounts_invitation_change", one.pk)))


# --- the change log ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["admin", "superuser"])
def test_the_change_log_is_read_only_even_for_superusers(who: str, alice: User) -> None:
    change = record("domain.held", about=Subject("domain", "dom_1", "shop.example"), actor=alice, because="Spam")
    client = signed_in(make_staff(Role.ADMIN) if who == "admin" else make_user(is_superuser=True, is_staff=True))
    page = text(client.get(url("audit_change_changelist"), {"q": "shop.example", "object_type": "domain"}))
    assert "Spam" in page
    assert client.get(url("audit_change_change", change.pk)).status_code == 200
    assert client.get(url("audit_change_add")).status_code == 403
    assert client.post(url("audit_change_change", change.pk), {"because": "Ham"}).status_code == 403
    assert client.post(url("audit_change_delete", change.pk), {"post": "yes"}).status_code == 403
    assert 'value="delete_selected"' not in page


def test_a_tenant_is_read_only_in_the_admin(adam: Client) -> None:
    tenant = make_tenant()
    assert adam.get(url("tenants_tenant_changelist")).status_code == 200
    page = adam.get(url("tenants_tenant_change", tenant.pk))
    assert page.status_code == 200
    assert b'name="name"' not in page.content
    assert adam.post(url("tenants_tenant_change", tenant.pk), {"name": "other"}).status_code == 403
    assert adam.post(url("tenants_tenant_delete", tenant.pk), {"post": "yes"}).status_code == 403
    assert adam.get(url("tenants_tenant_add")).status_code == 403


def test_actions_queue_a_read_and_retry_the_associations(adam: Client) -> None:
    tenant = make_tenant()
    for action in ("read_now", "try_again"):
        chosen = {"action": action, "_selected_action": [tenant.pk]}
        assert adam.post(url("tenants_tenant_changelist"), chosen).status_code == 302
    assert {"tenants.read", "tenants.associate"} <= set(jobs_of(tenant))
