"""A user's own API keys: the secret is shown once, and only the owner sees and revokes a key."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.api_keys import ApiKey
from accounts.models.people import User
from accounts.roles import Role
from tests.factories import make_member, make_staff

pytestmark = pytest.mark.django_db
FORM = {"name": "Billing", "scopes": ["read"], "days": "90", "once": "a"}


@pytest.fixture
def alice(client: Client) -> User:
    person = make_member()
    client.force_login(person)
    return person


def test_the_secret_is_shown_once_and_works_for_the_api(client: Client, alice: User) -> None:
    answer = client.post(reverse("accounts:keys"), FORM)
    found = re.search(r'id="secret">(ia_[^<]+)<', answer.content.decode())
    assert found
    assert "no-store" in answer["Cache-Control"]
    assert found[1] not in client.get(reverse("accounts:keys")).content.decode()
    called = Client().get("/api/v2/domains", headers={"Authorization": f"Bearer {found[1]}"})
    assert called.status_code == 200


def test_the_form_as_shown_creates_a_key(client: Client, alice: User) -> None:
    page = client.get(reverse("accounts:keys")).content.decode()
    once = re.search(r'name="once" value="([^"]+)"', page)
    assert once
    assert client.post(reverse("accounts:keys"), FORM | {"once": once[1]}).status_code == 200
    assert ApiKey.objects.count() == 1


def test_a_form_sent_twice_creates_one_key(client: Client, alice: User) -> None:
    client.post(reverse("accounts:keys"), FORM)
    assert client.post(reverse("accounts:keys"), FORM).status_code == 302
    assert ApiKey.objects.count() == 1


def test_a_customer_is_not_offered_staff_scopes(client: Client, alice: User) -> None:
    assert "all customers" not in client.get(reverse("accounts:keys")).content.decode()
    assert client.post(reverse("accounts:keys"), FORM | {"scopes": ["staff"]}).status_code == 422
    assert not ApiKey.objects.exists()


def test_staff_can_choose_staff_scopes(client: Client) -> None:
    client.force_login(make_staff(Role.OPERATOR))
    assert client.post(reverse("accounts:keys"), FORM | {"scopes": ["read", "staff"]}).status_code == 200
    assert ApiKey.objects.get().scopes == ["read", "staff"]


def test_only_its_owner_can_revoke_a_key(client: Client, alice: User) -> None:
    client.post(reverse("accounts:keys"), FORM)
    key = ApiKey.objects.get()
    stranger = Client()
    stranger.force_login(make_member())
    assert stranger.post(reverse("accounts:revoke_key", args=[key.pk])).status_code == 404
    client.post(reverse("accounts:revoke_key", args=[key.pk]))
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_an_invalid_form_is_422_and_creates_nothing(client: Client, alice: User) -> None:
    assert client.post(reverse("accounts:keys"), FORM | {"scopes": []}).status_code == 422
    assert client.post(reverse("accounts:keys"), FORM | {"name": ""}).status_code == 422
    assert not ApiKey.objects.exists()


def test_a_form_whose_key_was_not_created_can_be_sent_again(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ApiKey.objects, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            client.post(reverse("accounts:keys"), FORM)
    assert "shown only once" in client.post(reverse("accounts:keys"), FORM).text
