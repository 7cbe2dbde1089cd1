"""API keys: created once, stored as a hash, valid for their scopes until they end."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.utils import quote
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.api_keys.core import KeyState, Scope, is_use_worth_writing, key_state, scopes_named
from accounts.api_keys.services import BadKey, create_api_key, revoke_api_key, use_api_key
from accounts.models.api_keys import ApiKey
from accounts.models.people import User
from accounts.roles import Role
from audit.core import WORDS
from audit.models import Change
from inbound_admin.lib.errors import NotAllowed, Refused
from tests.factories import make_member, make_staff

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR, email="olga@us.example")


def use(secret: str, scope: Scope = Scope.ROUTE, after: timedelta = timedelta()) -> ApiKey:
    return use_api_key(secret=secret, scopes=(scope,), now=NOW + after)


def test_a_key_is_valid_until_it_expires_or_is_revoked() -> None:
    assert key_state(NOW, expires_at=None, revoked_at=None) is KeyState.VALID
    assert key_state(NOW, expires_at=NOW + timedelta(seconds=1), revoked_at=None) is KeyState.VALID
    assert key_state(NOW, expires_at=NOW, revoked_at=None) is KeyState.EXPIRED
    assert key_state(NOW, expires_at=NOW, revoked_at=NOW) is KeyState.REVOKED


def test_scopes_are_deduplicated_and_sorted() -> None:
    assert scopes_named(["route", "read", "route"]) == (Scope.READ, Scope.ROUTE)
    with pytest.raises(ValueError, match="everything"):
        scopes_named(["everything"])


def test_neither_the_row_nor_the_change_log_contains_the_secret(olga: User) -> None:
    made = create_api_key(user=olga, name=" the  function ", scopes=["route"], actor=olga, days=3)
    row = ApiKey.objects.values().get()
    assert row["name"] == "the function"
    assert row["id"].startswith("key_")
    assert row["starts"] == made.secret[:8]
    change = Change.objects.get()
    assert (change.what, change.actor_name, change.for_staff) == ("api_key.created", "olga@us.example", True)
    assert made.secret[8:] not in f"{row} {change.after}"
    assert change.what in WORDS


def test_a_key_is_limited_to_its_scopes(olga: User) -> None:
    secret = create_api_key(user=olga, name="f", scopes=["route"], actor=None).secret
    assert use(secret).user == olga
    with pytest.raises(NotAllowed, match="read") as refused:
        use(secret, Scope.READ)
    assert refused.value.code == "SCOPE_MISSING"


def test_an_unknown_expired_or_revoked_key_is_refused(olga: User) -> None:
    made = create_api_key(user=olga, name="f", scopes=["route"], actor=None, days=1)
    with pytest.raises(BadKey, match="Unknown API key"):
        use(made.secret + "x")
    with pytest.raises(BadKey, match="expired"):
        use(made.secret, after=timedelta(days=2))
    revoke_api_key(key=made.key, actor=olga)
    revoke_api_key(key=made.key, actor=olga)
    with pytest.raises(BadKey, match="revoked"):
        use(made.secret)
    assert Change.objects.filter(what="api_key.revoked").count() == 1
    assert "api_key.revoked" in WORDS


def test_a_key_of_a_former_or_disabled_staff_member_is_refused(olga: User) -> None:
    secret = create_api_key(user=olga, name="f", scopes=["route"], actor=None).secret
    olga.groups.clear()
    with pytest.raises(NotAllowed, match="for staff"):
        use(secret)
    User.objects.filter(pk=olga.pk).update(is_active=False)
    with pytest.raises(BadKey, match="Unknown API key"):
        use(secret)


def test_a_customer_cannot_create_a_key_with_staff_scopes() -> None:
    alice = make_member(email="alice@acme.example")
    for scope in ("route", "staff"):
        with pytest.raises(NotAllowed, match="for staff"):
            create_api_key(user=alice, name="f", scopes=["read", scope], actor=None)
    assert use(create_api_key(user=alice, name="f", scopes=["read"], actor=alice).secret, Scope.READ).user == alice


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [("", ["read"], None), ("x" * 121, ["read"], None), ("f", [], None), ("f", ["all"], None), ("f", ["read"], 0)],
)
def test_a_key_without_name_scope_or_valid_duration_is_refused(
    olga: User, name: str, scopes: list[str], days: int | None
) -> None:
    with pytest.raises(Refused):
        create_api_key(user=olga, name=name, scopes=scopes, actor=None, days=days)
    assert not ApiKey.objects.exists()


def test_the_last_use_is_stored_once_per_minute(olga: User) -> None:
    secret = create_api_key(user=olga, name="f", scopes=["route"], actor=None).secret
    written = []
    for seconds in (0, 59, 60):
        use(secret, after=timedelta(seconds=seconds))
        written.append(ApiKey.objects.get().last_used_at)
    assert written == [NOW, NOW, NOW + timedelta(seconds=60)]
    assert not is_use_worth_writing(NOW, NOW)


def test_the_command_prints_only_the_secret_to_stdout(olga: User) -> None:
    out, err = StringIO(), StringIO()
    options = {"name": "f", "scopes": ["route,read"], "days": 2, "stdout": out, "stderr": err}
    call_command("create_api_key", "Olga@us.example", **options)
    key = use(out.getvalue().strip())
    assert key.scopes == ["read", "route"]
    assert key.id in err.getvalue()


@pytest.mark.parametrize(("email", "scope"), [("nobody@us.example", "route"), ("olga@us.example", "all")])
def test_the_command_reports_an_unknown_person_or_scope(olga: User, email: str, scope: str) -> None:
    with pytest.raises(CommandError, match="No person has|Unknown scope"):
        call_command("create_api_key", email, name="f", scopes=[scope])


def test_the_admin_lists_and_revokes_keys_and_nothing_else(olga: User) -> None:
    key = create_api_key(user=olga, name="the function", scopes=["route"], actor=None).key
    client = Client()
    client.force_login(olga)
    page = client.get(reverse("admin:accounts_apikey_changelist")).content.decode()
    assert "the function" in page
    assert key.starts in page
    assert client.get(reverse("admin:accounts_apikey_add")).status_code == 403
    one = reverse("admin:accounts_apikey_change", args=[quote(key.pk)])
    assert key.secret_hash not in client.get(one).content.decode()
    assert client.post(one, {"name": "mine"}).status_code == 403
    assert (
        client.post(reverse("admin:accounts_apikey_delete", args=[quote(key.pk)]), {"post": "yes"}).status_code == 403
    )
    given = {"action": "revoke", "_selected_action": [key.pk]}
    answer = client.post(reverse("admin:accounts_apikey_changelist"), given, follow=True)
    assert re.search(r"The function[^<]*revoked\.", answer.content.decode())
    key.refresh_from_db()
    assert (key.name, key.state) == ("the function", KeyState.REVOKED)


def test_support_sees_keys_and_cannot_revoke_them(olga: User) -> None:
    key = create_api_key(user=olga, name="the function", scopes=["route"], actor=None).key
    client = Client()
    client.force_login(make_staff(Role.SUPPORT))
    assert client.get(reverse("admin:accounts_apikey_changelist")).status_code == 200
    client.post(reverse("admin:accounts_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.state is KeyState.VALID


@pytest.mark.django_db(transaction=True)
def test_the_command_writes_only_the_secret_to_stdout_even_if_emails_go_to_the_console(
    olga: User, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    call_command("create_api_key", olga.email, "--name", "f", "--scopes", "route")
    written = capsys.readouterr()
    assert re.fullmatch(r"ia_[\w-]+\n", written.out)
    assert "A new API key was created" in written.err
