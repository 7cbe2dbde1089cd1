"""The page of an invitation link."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import views as accounts_views
from accounts.models.people import Customer, Invitation, User
from tests.factories import make_user
from tests.tenants.pages import PASSWORD, invitation_path, signed_in, text, url

pytestmark = pytest.mark.django_db


# --- the page behind the link ------------------------------------------------------------------------------------


def test_a_new_person_sets_a_password_and_is_signed_in(acme: Customer, alice: User) -> None:
    link, client = invitation_path(acme, alice), Client()
    assert "Join Acme" in text(client.get(link))
    joined = client.post(link, {"name": "Carol", "password": PASSWORD})
    assert joined.headers["Location"] == "/"
    assert client.get(url("detail", acme.pk)).status_code == 200
    fresh = Client()
    fresh.post(reverse("account_login"), {"login": "carol@acme.example", "password": PASSWORD})
    assert fresh.get(url("detail", acme.pk)).status_code == 200


def test_opening_the_link_changes_nothing(acme: Customer, alice: User) -> None:
    link, carol = invitation_path(acme, alice), make_user(email="carol@acme.example")
    signed_in(carol).get(link)
    Client().head(link)
    assert Invitation.objects.get().accepted_at is None


@pytest.mark.parametrize("password", ["q7f!", "carol@acme.example", "1234567890123"])
def test_a_weak_password_is_refused_at_the_field(acme: Customer, alice: User, password: str) -> None:
    response = Client().post(invitation_path(acme, alice), {"name": "Carol", "password": password})
    assert response.status_code == 422
    assert not User.objects.filter(email="carol@acme.example").exists()
    assert f'type="password" value="{password}"' not in text(response)
    assert 'id="id_password_error"' in text(response)


def test_a_person_with_an_account_signs_in_and_returns_to_accept(acme: Customer, alice: User) -> None:
    make_user(email="carol@acme.example", password=PASSWORD)
    link, client = invitation_path(acme, alice), Client()
    page = text(client.get(link))
    assert f'href="/accounts/login/?next={link}"' in page
    assert 'type="password"' not in page
    assert client.post(link, {"name": "Carol", "password": "stolen by the link"}).status_code == 422
    back = client.post(f"/accounts/login/?next={link}", {"login": "carol@acme.example", "password": PASSWORD})
    assert back.headers["Location"] == link
    assert client.post(link).headers["Location"] == "/"


def test_another_signed_in_person_can_sign_out_and_open_it_again(acme: Customer, alice: User, bob: User) -> None:
    link, client = invitation_path(acme, alice), signed_in(bob)
    for response in (client.get(link), client.post(link)):
        assert response.status_code == 403
        assert "This invitation is for carol@acme.example, but you're signed in as bob@bob.example." in text(response)
    assert client.post(reverse("account_logout"), {"next": link}).headers["Location"] == link
    assert "Choose a password" in text(client.get(link))


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("accepted_at", "This invitation has already been used."),
        ("revoked_at", "This invitation was revoked or replaced."),
        ("expires_at", "This invitation expired"),
    ],
)
def test_a_link_that_has_ended_says_why(acme: Customer, alice: User, column: str, sentence: str) -> None:
    link = invitation_path(acme, alice)
    Invitation.objects.update(**{column: timezone.now() - timedelta(seconds=1)})
    for response in (Client().get(link), Client().post(link, {"name": "C", "password": PASSWORD})):
        assert response.status_code == 410
        assert sentence in text(response)


def test_an_unknown_link_is_404() -> None:
    response = Client().get(url("accept", "made-up"))
    assert response.status_code == 404
    assert "This link isn't valid. Copy the whole link from the email. If it is whole, the organisation" in text(
        response
    )


def all_responses(acme: Customer, alice: User) -> Iterator[HttpResponse]:
    link = invitation_path(acme, alice)
    yield Client().get(link)  # type: ignore[misc]  # the client's own kind of response
    yield Client().get(url("accept", "made-up"))  # type: ignore[misc]  # as above
    yield Client().post(link, {"name": "Carol", "password": PASSWORD})  # type: ignore[misc]  # as above


def test_the_link_is_kept_from_referrers_caches_and_search_engines(acme: Customer, alice: User) -> None:
    for response in all_responses(acme, alice):
        assert response.headers["Referrer-Policy"] == "strict-origin"
        assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert "no-store" in response.headers["Cache-Control"]


def test_guessing_links_is_rate_limited() -> None:
    client = Client()
    for _ in range(30):
        assert client.get(url("accept", "guess")).status_code == 404
    response = client.get(url("accept", "guess"))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert "Too many attempts." in text(response)
    assert Client(REMOTE_ADDR="127.0.0.2").get(url("accept", "guess")).status_code == 404


def test_no_log_contains_the_secret_of_a_link(
    acme: Customer, alice: User, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    link = invitation_path(acme, alice)
    secret = link.rstrip("/").rpartition("/")[2]
    with caplog.at_level(logging.DEBUG):
        answers = [
            Client().post(link, {"name": "Carol", "password": "q7f!"}),
            signed_in(bob).get(link),
            Client(enforce_csrf_checks=True).post(link),
            Client().put(link),
            *(Client().get(link) for _ in range(31)),
        ]
    assert {answer.status_code for answer in answers} == {422, 403, 405, 200, 429}
    for reason in ("Unprocessable", "Forbidden: ", "Forbidden (CSRF", "Method Not Allowed", "Too Many Requests"):
        assert any(line.startswith(reason) and line.endswith("/invitation/********/") for line in caplog.messages), (
            reason
        )
    for record in caplog.records:
        assert secret not in f"{record.getMessage()} {record.__dict__}"


@pytest.mark.parametrize(("proxies", "third"), [(1, 404), (0, 429)])
def test_behind_a_proxy_each_client_has_its_own_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, proxies: int, third: int
) -> None:
    monkeypatch.setitem(accounts_views.RATES, "accept_invitation", "2/m/ip")
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    statuses = [
        Client().get(url("accept", "guess"), headers={"X-Forwarded-For": f"10.9.9.9, 10.0.0.{number}"}).status_code
        for number in range(3)
    ]
    assert statuses == [404, 404, third]


def test_a_link_cannot_be_accepted_from_another_site(acme: Customer, alice: User) -> None:
    carol, link = make_user(email="carol@acme.example"), invitation_path(acme, alice)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(carol)
    assert strict.post(link).status_code == 403
