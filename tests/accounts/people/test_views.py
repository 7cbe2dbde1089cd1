"""The user's own account: settings, signing in and out, the second factor, signing up."""

import re
import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, format_hotp_value, hotp_value
from django.core import mail
from django.db import connection
from django.db.utils import IntegrityError
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models.people import MemberRole, User
from accounts.people import services as people_services
from accounts.people.forms import SignInForm
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import Refused
from tests.factories import make_staff, make_user
from tests.tenants.pages import PASSWORD, signed_in, text, url

pytestmark = pytest.mark.django_db


# --- the user's own account ------------------------------------------------------------------------------------------


def test_a_user_sets_name_theme_density_and_shortcuts(alice: User) -> None:
    client = signed_in(alice)
    page = text(client.get(url("account")))
    for name in ("account_change_password", "account_email", "mfa_index"):
        assert f'href="{reverse(name)}"' in page
    saved = client.post(url("account"), {"name": "Alice A.", "theme": "dark", "density": "compact"}, follow=True)
    assert "Saved." in text(saved)
    assert 'data-theme="dark" data-density="compact"' in text(saved)
    alice.refresh_from_db()
    assert (str(alice), alice.theme, alice.density, alice.shortcuts) == ("Alice A.", "dark", "compact", False)


def test_the_sign_in_errors_say_email_address(alice: User) -> None:
    for given in ({"login": "", "password": PASSWORD}, {"login": alice.email, "password": "not hers"}):
        page = text(Client().post(reverse("account_login"), given))
        assert "We couldn’t sign you in" in page
        assert "email address" in page.lower()
        assert not re.search(r"e-mail|>Login|Login:|>Username", page, re.IGNORECASE)


def test_the_sandboxs_sign_in_buttons_stay_on_one_line() -> None:
    shown = {"who": "Alice, who owns Acme", "email": "alice@acme.example", "password": "demo"}
    page = render_to_string("account/login.html", {"demo_accounts": [shown], "form": SignInForm()})
    button = re.search(r'<button[^>]*aria-label="Sign in as Alice[^>]*>', page)
    assert button
    assert "whitespace-nowrap" in button[0]


def test_signing_in_and_out_shows_our_messages(alice: User) -> None:
    client = Client()
    given = {"login": alice.email, "password": "correct horse battery", "next": url("account")}
    assert "You are signed in." in text(client.post(reverse("account_login"), given, follow=True))
    left = client.post(reverse("account_logout"), {"next": reverse("account_login")}, follow=True)
    assert "You are signed out." in text(left)


def test_the_only_address_cannot_be_removed_but_a_second_one_can(alice: User) -> None:
    client, page_of_addresses = signed_in(alice), reverse("account_email")
    page = text(client.get(page_of_addresses))
    assert "<title>Email address ·" in page
    assert "action_remove" not in page
    added = text(client.post(page_of_addresses, {"email": "second@acme.example", "action_add": ""}, follow=True))
    assert "We sent a link to second@acme.example." in added
    assert added.count("action_remove") == 1
    assert "Remove second@acme.example" in added


def test_nobody_signs_in_with_an_address_that_is_unconfirmed_and_not_theirs_yet() -> None:
    bob = make_user()  # as an import creates a person: without a confirmed address
    client = signed_in(bob)
    client.post(reverse("account_email"), {"email": "ceo@victim.com", "action_add": ""})
    refused = client.post(reverse("account_email"), {"email": "ceo@victim.com", "action_primary": ""})
    assert "Confirm ceo@victim.com first, with the link we sent there." in text(refused)
    bob.refresh_from_db()
    assert bob.email != "ceo@victim.com"
    ceo, is_new = people_services.import_person(email="ceo@victim.com", name="", actor=None, because="", bulk_id="")
    assert (ceo == bob, is_new) == (False, True)


def test_a_refused_sign_in_address_leaves_the_earlier_one_and_its_import_is_refused_as_before() -> None:
    bob = make_user()
    EmailAddress.objects.create(user=bob, email=bob.email, primary=True, verified=False)  # they signed up themselves
    client = signed_in(bob)
    client.post(reverse("account_email"), {"email": "ceo@victim.com", "action_add": ""})
    client.post(reverse("account_email"), {"email": "ceo@victim.com", "action_primary": ""})
    assert EmailAddress.objects.get_primary(bob).email == bob.email
    with pytest.raises(Refused, match="hasn't confirmed the address"):
        people_services.import_person(email=bob.email, name="", actor=None, because="", bulk_id="")


def test_the_password_confirmation_shows_our_text(alice: User) -> None:
    client = signed_in(alice)
    page = text(client.get(reverse("account_reauthenticate")))
    assert "Confirm your password" in page
    wrong = client.post(reverse("account_reauthenticate"), {"password": "not hers"})
    assert "The password is incorrect." in text(wrong)


def test_a_disabled_account_is_referred_to_support() -> None:
    page = text(Client().get(reverse("account_inactive")))
    assert "This account is disabled" in page
    assert "Contact support" in page


def test_a_password_link_of_a_disabled_account_saves_nothing(alice: User) -> None:
    Client().post(reverse("account_reset_password"), {"email": alice.email})
    found = re.search(r"(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert found
    people_services.disable(person=alice, actor=make_staff(Role.ADMIN))
    client = Client()
    form = client.get(found[1], follow=True).redirect_chain[-1][0]
    page = text(client.post(form, {"password1": PASSWORD, "password2": PASSWORD}))
    assert "This account is disabled. Contact support." in page
    alice.refresh_from_db()
    assert not alice.check_password(PASSWORD)


def test_too_many_requests_for_password_links_are_answered_by_a_page_of_ours(alice: User) -> None:
    client = Client()
    answers = [client.post(reverse("account_reset_password"), {"email": alice.email}) for _ in range(6)]
    assert answers[-1].status_code == 429
    page = text(answers[-1])
    assert "Too many requests" in page
    assert f'href="{reverse("account_login")}"' in page


def test_an_unknown_theme_is_refused(alice: User) -> None:
    assert signed_in(alice).post(url("account"), {"name": "", "theme": "pink", "density": "compact"}).status_code == 422


@pytest.mark.parametrize(
    ("back", "to"),
    [("/domains/?q=x", "/domains/?q=x"), ("https://evil.example/", "/customers/account/"), ("", "/customers/account/")],
)
def test_the_theme_switch_redirects_only_to_our_pages(alice: User, back: str, to: str) -> None:
    response = signed_in(alice).post(url("theme"), {"theme": "light", "next": back})
    assert response.headers["Location"] == to
    alice.refresh_from_db()
    assert alice.theme == "light"


def code_now(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def test_the_second_factor_is_set_up_and_then_required(alice: User) -> None:
    client, login = Client(), {"login": alice.email, "password": "correct horse battery"}
    client.post(reverse("account_login"), login)
    client.post(reverse("account_reauthenticate"), {"password": login["password"]})
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    secret = client.session[SECRET_SESSION_KEY]
    client.post(reverse("mfa_activate_totp"), {"code": code_now(secret)})
    later = Client()
    assert later.post(reverse("account_login"), login).headers["Location"] == reverse("mfa_authenticate")
    assert later.get(url("account")).status_code == 302
    assert later.get("/admin/login/").headers["Location"].startswith("/accounts/login/")
    assert later.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert later.get(url("account")).status_code == 302


# --- signing up --------------------------------------------------------------------------------------------------

NEWCOMER = {"email": "Dora@new.example", "password1": PASSWORD}


def test_closed_sign_up_says_whom_to_ask() -> None:
    for response in (Client().get(reverse("account_signup")), Client().post(reverse("account_signup"), NEWCOMER)):
        assert "Ask your provider" in text(response)
    assert not User.objects.exists()


@pytest.fixture
def open_sign_up(settings: Settings) -> None:
    settings.OPEN_SIGN_UP = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


@pytest.mark.usefixtures("open_sign_up")
def test_a_newcomer_gets_their_own_customer_once() -> None:
    for _ in range(2):
        assert Client().post(reverse("account_signup"), NEWCOMER).status_code == 302
    dora = User.objects.get()
    assert dora.email == "dora@new.example"
    assert (dora.customers.get().name, dora.memberships.get().role) == ("dora@new.example", MemberRole.OWNER)
    about = Change.objects.filter(object_type="customer")
    assert list(about.values_list("what", "actor_id")) == [("customer.created", str(dora.pk))]


@pytest.mark.usefixtures("open_sign_up")
def test_a_newcomer_can_sign_in_after_verifying_the_address() -> None:
    client = Client()
    client.post(reverse("account_signup"), NEWCOMER)
    login = {"login": NEWCOMER["email"], "password": PASSWORD}
    client.post(reverse("account_login"), login)
    assert client.get(url("account")).status_code == 302
    EmailAddress.objects.update(verified=True)
    client.post(reverse("account_login"), login)
    assert client.get(url("account")).status_code == 200


@pytest.mark.usefixtures("open_sign_up")
def test_an_import_gives_nothing_to_a_newcomer_who_has_not_confirmed_the_address() -> None:
    Client().post(reverse("account_signup"), NEWCOMER)
    newcomer = User.objects.get()
    given: dict[str, Any] = {"email": "Dora@new.example", "name": "", "actor": None, "because": "", "bulk_id": ""}
    with pytest.raises(Refused, match="dora@new.example signed up here, but hasn't confirmed the address."):
        people_services.import_person(**given)
    EmailAddress.objects.filter(user=newcomer).update(verified=True)
    assert people_services.import_person(**given) == (newcomer, False)


@pytest.mark.usefixtures("open_sign_up")
def test_a_newcomer_whose_customer_fails_is_not_created() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_customer ADD CONSTRAINT none_new CHECK (name <> 'dora@new.example')")
    response = Client().post(reverse("account_signup"), NEWCOMER)
    assert response.status_code == 422
    assert not User.objects.exists()
    assert not Change.objects.exists()


def test_the_database_refuses_an_address_in_another_case(alice: User) -> None:
    with pytest.raises(IntegrityError, match="user_email_any_case"):
        User.objects.create(email="ALICE@acme.example")
