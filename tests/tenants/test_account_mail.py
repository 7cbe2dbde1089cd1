"""People are emailed about a new password, factor or key; keys can end with a password; emails are limited."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.api_keys.services import create_api_key
from accounts.models.api_keys import ApiKey
from accounts.models.people import User
from tests.factories import make_member, make_user
from tests.tenants.pages import signed_in, text
from tests.tenants.sessions import add_second_factor

pytestmark = pytest.mark.django_db
OLD, NEW = "correct horse battery", "quite another long sentence"
CHANGE = {"oldpassword": OLD, "password1": NEW, "password2": NEW}


@pytest.fixture
def paul() -> User:
    return make_member(email="paul@acme.example")


def make_key(person: User, name: str = "Billing") -> ApiKey:
    return create_api_key(user=person, name=name, scopes=["read"], actor=person).key


def is_active_key(key: ApiKey) -> bool:
    key.refresh_from_db()
    return key.revoked_at is None


def test_a_password_change_is_emailed(paul: User) -> None:
    signed_in(paul).post(reverse("account_change_password"), CHANGE)
    (message,) = mail.outbox
    assert message.to == ["paul@acme.example"]
    assert "password has been changed" in str(message.body)
    assert "If it wasn't, change your password now" in str(message.body)


def test_the_removal_of_a_second_factor_is_emailed(paul: User) -> None:
    signed_in(add_second_factor(paul)).post(reverse("mfa_deactivate_totp"))
    (message,) = mail.outbox
    assert message.to == ["paul@acme.example"]


def test_a_new_api_key_is_emailed_without_its_secret_or_a_link(
    paul: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        made = create_api_key(user=paul, name="See https://evil.example", scopes=["read"], actor=paul)
    (message,) = mail.outbox
    assert message.to == ["paul@acme.example"]
    assert "A new API key was created for your account: See (ia_" in str(message.body)
    assert made.secret not in str(message.body)
    assert "evil" not in str(message.body)


@pytest.mark.parametrize("ends", [True, False])
def test_api_keys_are_revoked_with_a_password_change_if_chosen(paul: User, ends: bool) -> None:
    key, anothers, client = make_key(paul), make_key(make_user()), signed_in(paul)
    assert "Revoke my API keys as well" in text(client.get(reverse("account_change_password")))
    client.post(reverse("account_change_password"), CHANGE | ({"end_keys": "on"} if ends else {}))
    paul.refresh_from_db()
    assert paul.check_password(NEW)
    assert (is_active_key(key), is_active_key(anothers)) == (not ends, True)


def test_a_refused_password_change_revokes_no_api_key(paul: User) -> None:
    key = make_key(paul)
    signed_in(paul).post(reverse("account_change_password"), CHANGE | {"oldpassword": "guess", "end_keys": "on"})
    assert is_active_key(key)


def test_a_person_without_api_keys_is_not_asked_to_revoke_them(paul: User) -> None:
    assert "Revoke my API keys" not in text(signed_in(paul).get(reverse("account_change_password")))


@pytest.mark.parametrize("ends", [True, False])
def test_api_keys_are_revoked_with_a_password_reset_if_chosen(paul: User, ends: bool) -> None:
    key, client = make_key(paul), Client()
    client.post(reverse("account_reset_password"), {"email": paul.email})
    path = next(word for word in str(mail.outbox[0].body).split() if "/password/reset/key/" in word)
    form = client.get(path, follow=True)
    assert "Revoke my API keys as well" in text(form)
    given = {"password1": NEW, "password2": NEW} | ({"end_keys": "on"} if ends else {})
    client.post(form.redirect_chain[-1][0], given)
    paul.refresh_from_db()
    assert paul.check_password(NEW)
    assert is_active_key(key) is not ends
    assert mail.outbox[-1].to == ["paul@acme.example"]


def test_the_link_of_a_password_reset_is_at_our_site_whatever_host_was_asked(paul: User, settings: Settings) -> None:
    settings.SITE_URL = "https://panel.example.com"
    Client().post(reverse("account_reset_password"), {"email": paul.email}, headers={"Host": "testserver:1234"})
    assert "https://panel.example.com/accounts/password/reset/key/" in str(mail.outbox[0].body)
    assert "1234" not in str(mail.outbox[0].body)


def test_a_password_reset_names_the_product_and_how_long_its_link_works(paul: User, settings: Settings) -> None:
    settings.SITE_URL, settings.SITE_NAME = "https://panel.example.com", "Mail Panel"
    Client().post(reverse("account_reset_password"), {"email": paul.email})
    (sent,) = mail.outbox
    assert sent.subject == "Choose a new password for Mail Panel"
    assert "for paul@acme.example at Mail Panel" in str(sent.body)
    assert "works once, for 72 hours" in str(sent.body)
    assert str(sent.body).strip().endswith("Mail Panel, panel.example.com")


def test_a_password_change_ends_other_sessions(paul: User) -> None:
    client, other = signed_in(paul), signed_in(paul)
    client.post(reverse("account_change_password"), CHANGE)
    assert client.get("/domains/").status_code == 200
    assert other.get("/domains/")["Location"].startswith(reverse("account_login"))


def test_a_password_reset_for_an_unknown_address_sends_no_email() -> None:
    answer = Client().post(reverse("account_reset_password"), {"email": "victim@else.example"})
    assert answer.status_code == 302
    assert not mail.outbox


def test_password_reset_emails_are_limited_for_each_recipient(paul: User) -> None:
    for number in range(9):
        Client(REMOTE_ADDR=f"127.0.0.{number + 1}").post(reverse("account_reset_password"), {"email": paul.email})
    assert len(mail.outbox) == 5


def test_confirmation_emails_are_limited_for_each_recipient(settings: Settings) -> None:
    settings.UNSOLICITED_MAILS_PER_DAY = 2
    answers = []
    for number in range(4):  # one mailbox, in different spellings
        given = {"email": f"victim+{number}@else.example", "action_add": ""}
        answers.append(signed_in(make_user()).post(reverse("account_email"), given))
    assert len(mail.outbox) == 2
    assert [answer.status_code for answer in answers] == [302, 302, 429, 429]
