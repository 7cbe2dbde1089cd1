"""Staff need a second factor, have limited sessions, and only admins can make a person staff."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.api_keys.services import create_api_key
from accounts.members.services import accept_invitation
from accounts.models.people import Customer, User
from accounts.people.services import disable, store_person
from accounts.roles import Role
from inbound_admin.lib.errors import NotAllowed, Refused
from tests.accounts.invitations import PASSWORD, send_invitation, token_of
from tests.api_client import api_of
from tests.factories import make_member, make_staff, make_user
from tests.tenants.pages import HTMX, signed_in, text, url
from tests.tenants.sessions import HOUR, add_second_factor, signed_in_before

pytestmark = pytest.mark.django_db
SET_UP = "/accounts/2fa/totp/activate/"


@pytest.fixture
def required(settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = True


# --- a second factor ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("path", ["/", "/domains/", "/customers/account/keys/", "/admin/", "/admin/accounts/user/"])
def test_staff_without_a_second_factor_are_redirected_to_its_setup(role: Role, path: str) -> None:
    client = signed_in(make_staff(role))
    assert client.get(path).headers.get("Location") == SET_UP
    assert client.post(path, {}).headers.get("Location") == SET_UP


@pytest.mark.usefixtures("required")
def test_a_staff_flag_superuser_flag_or_role_alone_requires_the_second_factor() -> None:
    by_flag, by_superuser = make_user(is_staff=True), make_user(is_superuser=True)
    by_role = make_staff(is_staff=False)
    for person in (by_flag, by_superuser, by_role):
        assert signed_in(person).get("/domains/").headers.get("Location") == SET_UP


@pytest.mark.usefixtures("required")
def test_an_htmx_request_is_redirected_as_a_whole_page() -> None:
    answer = signed_in(make_staff()).get("/domains/", headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, SET_UP)


@pytest.mark.usefixtures("required")
def test_a_session_without_the_second_factor_cannot_use_the_api() -> None:
    sam = make_staff()
    answer = signed_in(sam).get("/api/v2/domains")
    assert (answer.status_code, answer.json()["code"]) == (403, "MFA_REQUIRED")
    assert signed_in(add_second_factor(sam)).get("/api/v2/domains").status_code == 200


def test_a_staff_key_cannot_be_used_without_the_second_factor(settings: Settings) -> None:
    sam = make_staff()
    staff, own = api_of(sam, "read", "staff"), api_of(sam, "read")
    assert staff.get("/api/v2/domains").status_code == 200
    settings.STAFF_MFA_REQUIRED = True
    answer = staff.get("/api/v2/domains")
    assert (answer.status_code, answer.json()["code"]) == (403, "MFA_REQUIRED")
    assert own.get("/api/v2/domains").status_code == 200, "without the scope staff it acts as a customer's key"
    with pytest.raises(NotAllowed, match="two-step sign-in"):
        create_api_key(user=sam, name="More", scopes=["staff"], actor=sam)
    add_second_factor(sam)
    assert staff.get("/api/v2/domains").status_code == 200


@pytest.mark.usefixtures("required")
def test_staff_with_a_factor_and_customers_without_one_are_not_redirected(acme: Customer, alice: User) -> None:
    assert signed_in(add_second_factor(make_staff())).get("/domains/").status_code == 200
    assert signed_in(alice).get("/domains/").status_code == 200


def test_without_the_setting_no_second_factor_is_required() -> None:
    assert signed_in(make_staff()).get("/domains/").status_code == 200


@pytest.mark.usefixtures("required")
def test_public_pages_stay_open() -> None:
    assert signed_in(make_staff()).get("/readyz").status_code == 200


@pytest.mark.usefixtures("required")
@pytest.mark.django_db(transaction=True)
def test_setting_up_the_factor_keeps_the_session_and_ends_older_ones() -> None:
    sam = make_staff(email="sam@us.example")
    EmailAddress.objects.create(user=sam, email=sam.email, verified=True, primary=True)
    client, other = signed_in(sam), signed_in(sam)
    page = text(client.get(SET_UP))
    assert "Staff accounts require two-step sign-in." in page
    secret = re.search(r"data-exact>([A-Z2-7]+)<", page)
    assert secret
    counter = next(iter(yield_hotp_counters_from_time()))
    client.post(SET_UP, {"code": format_hotp_value(hotp_value(secret[1], counter))})
    assert client.get("/domains/").status_code == 200
    assert other.get("/domains/")["Location"].startswith(reverse("account_login"))
    assert [message.to for message in mail.outbox] == [["sam@us.example"]]


# --- sessions ----------------------------------------------------------------------------------------------------


def test_staff_sessions_end_after_the_configured_hours_but_customers_do_not(settings: Settings, alice: User) -> None:
    settings.STAFF_SESSION_HOURS = 8
    sam = make_staff()
    assert signed_in_before(sam, 7.9 * HOUR).get("/domains/").status_code == 200
    late = signed_in_before(sam, 8.1 * HOUR)
    assert late.get("/domains/")["Location"].startswith(reverse("account_login"))
    assert signed_in_before(sam, 8.1 * HOUR).get("/api/v2/domains").status_code == 401
    assert signed_in_before(sam, 8.1 * HOUR).get("/admin/")["Location"].startswith("/admin/login/")
    assert signed_in_before(alice, 48 * HOUR).get("/domains/").status_code == 200


def test_a_session_ends_with_a_new_password_or_role(alice: User) -> None:
    adam = make_staff(Role.ADMIN)
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    before = signed_in(alice)
    alice.is_staff = True
    store_person(person=alice, groups=[Group.objects.get(name=Role.SUPPORT)], actor=adam)
    assert before.get("/domains/")["Location"].startswith(reverse("account_login"))
    again = signed_in(User.objects.get(pk=alice.pk))
    store_person(person=alice, groups=[Group.objects.get(name=Role.SUPPORT)], actor=adam)
    assert again.get("/domains/").status_code == 200, "nothing changed"
    alice.set_password("another sentence altogether")
    alice.save()
    assert again.get("/domains/")["Location"].startswith(reverse("account_login"))


def test_an_old_session_of_a_disabled_person_stays_ended(alice: User) -> None:
    client = signed_in(alice)
    disable(person=alice, actor=make_staff(Role.ADMIN))
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert client.get("/domains/")["Location"].startswith(reverse("account_login"))


# --- becoming staff ----------------------------------------------------------------------------------------------


def promote(person: User, adam: User) -> None:
    person.is_staff = True
    store_person(person=person, groups=[Group.objects.get(name=Role.OPERATOR)], actor=adam)


@pytest.mark.usefixtures("required")
def test_a_person_becomes_staff_only_with_a_confirmed_address_and_a_second_factor() -> None:
    adam, ned = make_staff(Role.ADMIN), make_member(email="ned@new.example")
    with pytest.raises(Refused, match="is unconfirmed"):
        promote(ned, adam)
    EmailAddress.objects.create(user=ned, email=ned.email, verified=True, primary=True)
    with pytest.raises(Refused, match="no two-step sign-in."):
        promote(User.objects.get(pk=ned.pk), adam)
    assert not User.objects.get(pk=ned.pk).groups.exists()
    promote(add_second_factor(User.objects.get(pk=ned.pk)), adam)
    assert User.objects.get(pk=ned.pk).is_staff


def test_removing_a_role_has_no_requirements() -> None:
    adam, sam = make_staff(Role.ADMIN), make_staff()
    sam.is_staff = False
    store_person(person=sam, groups=[], actor=adam)
    assert not User.objects.get(pk=sam.pk).groups.exists()


def test_an_invitation_link_never_grants_a_staff_role(acme: Customer) -> None:
    """Support invites the future address of an operator, and never sees the link."""
    sam = make_staff()
    page = text(signed_in(sam).post(url("invite", acme.pk), {"email": "boss@us.example", "role": "owner"}, follow=True))
    assert "/customers/invitation/" not in page
    sent = send_invitation(acme, sam, "boss@us.example")
    boss = accept_invitation(token=token_of(sent), person=None, name="Boss", password=PASSWORD).user
    assert (boss.is_staff, boss.is_superuser, boss.groups.exists()) == (False, False, False)
    assert boss.get_all_permissions() == set()


def test_an_invitation_for_an_existing_account_never_sets_its_password(acme: Customer, alice: User) -> None:
    sam = make_staff(email="sam@us.example", password=PASSWORD)
    token = token_of(send_invitation(acme, alice, "sam@us.example"))
    answer = Client().post(url("accept", token), {"name": "S", "password": "a thief's own sentence"})
    assert answer.status_code == 422
    sam.refresh_from_db()
    assert sam.check_password(PASSWORD)
