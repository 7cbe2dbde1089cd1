"""Sensitive actions require the password again, then continue where they were interrupted."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models.api_keys import ApiKey
from accounts.models.people import Customer, Invitation, MemberRole, User
from accounts.roles import Role
from domains.models.domains import Domain, Stage
from sandbox.process import Sandbox
from tests.api_client import api_of
from tests.domains.factories import make_domain, set_up_domain
from tests.factories import make_member, make_staff
from tests.tenants.factories import make_tenant
from tests.tenants.pages import HTMX, signed_in, text, url
from tests.tenants.sessions import add_second_factor, age_session, signed_in_before

pytestmark = pytest.mark.django_db
AGAIN, PASSWORD = "/accounts/reauthenticate/", "correct horse battery"
KEY = {"name": "Billing", "scopes": ["read"], "days": "90", "once": "a"}
Act = Callable[[Customer], tuple[str, dict[str, Any]]]


def _member(customer: Customer) -> str:
    return url("member", customer.pk, make_member(customer, role=MemberRole.MEMBER).memberships.get().pk)


def _with_factor(customer: Customer) -> str:
    add_second_factor(customer.members.get())
    return reverse("mfa_deactivate_totp")


def _domain(customer: Customer) -> Domain:
    return make_domain(customer=customer)


ACTS: dict[str, Act] = {
    "an API key": lambda _: (url("keys"), KEY),
    "an e-mail address": lambda _: (reverse("account_email"), {"email": "new@acme.example", "action_add": ""}),
    "an invitation": lambda c: (url("invite", c.pk), {"email": "carol@acme.example", "role": "member"}),
    "a role": lambda c: (_member(c), {"do": "role", "role": "owner"}),
    "a member's removal": lambda c: (_member(c), {"do": "remove"}),
    "a domain's deletion": lambda c: (reverse("operations:delete_domain", args=[_domain(c).pk]), {"name": "wrong"}),
    "many domains' deletion": lambda c: (
        reverse("operations:start_bulk"),
        {"do": "delete", "names": _domain(c).name, "go": "1", "typed": "wrong"},
    ),
    "a factor's removal": lambda c: (_with_factor(c), {}),
}


def requires_password(answer: Any) -> bool:
    return bool(answer.status_code == 302 and urlsplit(answer["Location"]).path == AGAIN)


@pytest.mark.parametrize("act", ACTS)
def test_an_hour_after_sign_in_the_action_requires_the_password(act: str, acme: Customer, alice: User) -> None:
    path, given = ACTS[act](acme)
    assert requires_password(signed_in_before(alice).post(path, given))


@pytest.mark.parametrize("act", ACTS)
def test_right_after_sign_in_the_action_does_not_require_the_password(act: str, acme: Customer, alice: User) -> None:
    path, given = ACTS[act](acme)
    answer = signed_in(alice).post(path, given)
    assert not requires_password(answer)
    assert answer.status_code < 500


@pytest.mark.parametrize("act", [name for name in ACTS if "factor" not in name])
def test_viewing_never_requires_the_password(act: str, acme: Customer, alice: User) -> None:
    path, _ = ACTS[act](acme)
    assert not requires_password(signed_in_before(alice).get(path))


def test_deleting_a_tenant_requires_the_password(acme: Customer) -> None:
    path = reverse("tenants:delete", args=[make_tenant(acme).pk])
    olga = make_staff(Role.OPERATOR)
    assert requires_password(signed_in_before(olga).post(path, {"name": "wrong"}))
    assert signed_in(olga).post(path, {"name": "wrong"}).status_code == 422


def test_the_action_continues_after_the_password(acme: Customer, alice: User) -> None:
    client = signed_in_before(alice)
    asked = client.post(url("keys"), KEY)
    assert not ApiKey.objects.exists()
    assert "Confirm your password" in text(client.get(asked["Location"]))
    made = client.post(asked["Location"], {"password": PASSWORD})
    assert ApiKey.objects.get().name == "Billing"
    assert 'id="secret">ia_' in text(made)
    assert not requires_password(client.post(url("keys"), KEY | {"once": "b"})), "the password was entered a moment ago"


def test_a_wrong_password_does_nothing(acme: Customer, alice: User) -> None:
    client = signed_in_before(alice)
    asked = client.post(url("keys"), KEY)
    assert "The password is incorrect." in text(client.post(asked["Location"], {"password": "guess"}))
    assert not ApiKey.objects.exists()
    assert requires_password(client.post(url("keys"), KEY))


def test_an_htmx_request_is_redirected_to_the_password_page_and_continues(acme: Customer, alice: User) -> None:
    client, given = signed_in_before(alice), {"email": "carol@acme.example", "role": "member"}
    asked = client.post(url("invite", acme.pk), given, headers=HTMX)
    assert (asked.status_code, asked.content) == (204, b"")
    to = asked["HX-Redirect"]
    assert parse_qs(urlsplit(to).query)["next"] == [url("invite", acme.pk)]
    assert not mail.outbox
    page = client.post(to, {"password": PASSWORD})
    assert page.headers["Location"] == url("detail", acme.pk)
    assert Invitation.objects.get().email == "carol@acme.example"
    assert mail.outbox[0].to == ["carol@acme.example"]


def test_another_persons_password_is_not_accepted(acme: Customer, alice: User, bob: User) -> None:
    bob.set_password("bob's own long sentence")
    bob.save()
    client = signed_in_before(alice)
    asked = client.post(url("keys"), KEY)
    client.post(asked["Location"], {"password": "bob's own long sentence"})
    assert not ApiKey.objects.exists()


def test_every_change_in_the_admin_requires_the_password_but_viewing_does_not(acme: Customer) -> None:
    adam = make_staff(Role.ADMIN)
    path = reverse("admin:accounts_customer_change", args=[acme.pk])
    client = signed_in_before(adam)
    assert client.get(path).status_code == 200
    asked = client.post(path, {"name": "Renamed"})
    assert requires_password(asked)
    acme.refresh_from_db()
    assert acme.name == "Acme"
    client.post(asked["Location"], {"password": PASSWORD})
    acme.refresh_from_db()
    assert acme.name == "Renamed"


def test_an_action_on_a_filtered_list_continues_too(acme: Customer) -> None:
    domain = make_domain("shop.com", customer=acme)
    client = signed_in_before(make_staff(Role.ADMIN))
    path = f"{reverse('admin:domains_domain_changelist')}?q=shop"
    given = {"action": "hold", "_selected_action": [domain.pk], "because": "Under review"}
    asked = client.post(path, given)
    assert requires_password(asked)
    done = client.post(asked["Location"], {"password": PASSWORD})
    domain.refresh_from_db()
    assert domain.is_held
    assert "Done: shop.com" in text(client.get(done["Location"]))


def test_the_api_requires_the_password_for_a_session_but_not_for_a_key(
    sandbox: Sandbox, acme: Customer, alice: User
) -> None:
    old, new = set_up_domain(sandbox, customer=acme), set_up_domain(sandbox, customer=acme)
    client = signed_in_before(alice)
    refused = client.delete(f"/api/v2/domains/{old.pk}")
    assert (refused.status_code, refused.json()["code"]) == (403, "PASSWORD_REQUIRED")
    assert Domain.objects.get(pk=old.pk).stage != Stage.DELETING
    age_session(client, 1)
    assert client.delete(f"/api/v2/domains/{old.pk}").status_code != 403
    assert api_of(alice).delete(f"/api/v2/domains/{new.pk}").status_code != 403


def test_the_time_until_the_password_is_required_again_is_a_setting(acme: Customer, alice: User, settings: Any) -> None:
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 7200
    assert not requires_password(signed_in_before(alice).post(url("keys"), KEY))


def test_an_anonymous_visitor_is_redirected_to_sign_in() -> None:
    assert Client().post(url("keys"), KEY)["Location"].startswith(reverse("account_login"))
