"""The API key of the receiving function: a warning before it expires, and the true cause when it is refused."""

from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from accounts.api_keys.core import Scope
from accounts.api_keys.services import create_api_key, revoke_api_key, use_api_key
from accounts.models.api_keys import ApiKey
from accounts.models.people import User
from accounts.roles import Role
from inbound_admin import health
from inbound_admin.lib.errors import Refused
from notifications.models.alerts import Alert, Notice
from receipt_rules.function_key.selectors import key_report
from receipt_rules.models.runs import ActiveRuleSet
from receipt_rules.pipeline import services as pipeline_services
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_operator

pytestmark = pytest.mark.django_db
BOTH = ("route", "report")


@pytest.fixture
def olga() -> User:
    return make_operator()


def make_key(person: User, *, days: int | None = 365, name: str = "handler") -> Any:
    return create_api_key(user=person, name=name, scopes=BOTH, actor=None, days=days)


def look_up(secret: str, *, at: Any = None) -> None:
    use_api_key(secret=secret, scopes=(Scope.ROUTE,), now=at or timezone.now())


def refused(secret: str, *, at: Any = None) -> None:
    with pytest.raises(Refused):
        look_up(secret, at=at)


def open_alerts() -> dict[str, Alert]:
    return {each.kind: each for each in Alert.objects.filter(state="open")}


def watch(*, days: float = 0) -> dict[str, Alert]:
    pipeline_services.check_function_key(now=timezone.now() + timedelta(days=days))
    return open_alerts()


def test_staff_are_told_30_7_and_1_day_before_the_key_expires_and_when_it_has(olga: User) -> None:
    key = make_key(olga)
    look_up(key.secret)
    assert watch(days=330) == {}
    sent = []
    for day in (335, 336, 358, 359, 364, 365, 366):
        alert = watch(days=day)["function.key_expiring"]
        sent.append(Notice.objects.filter(alert=alert, sent_at=None).count())
        Notice.objects.filter(alert=alert).update(sent_at=timezone.now())
    assert sent == [1, 0, 1, 0, 1, 1, 0]
    assert "handler" in alert.why
    assert "expired on" in alert.why


def test_the_warning_ends_once_the_function_uses_another_key(olga: User) -> None:
    key = make_key(olga, days=20)
    look_up(key.secret)
    assert "function.key_expiring" in watch()
    new = make_key(olga, name="new")
    assert "function.key_expiring" in watch(), "it isn't in use yet"
    look_up(new.secret)
    revoke_api_key(key=key.key, actor=olga)
    assert watch() == {}


def test_two_functions_with_a_key_each_are_both_warned_of(olga: User) -> None:
    old, new = make_key(olga, days=5, name="old"), make_key(olga, name="new")
    look_up(old.secret, at=timezone.now() - timedelta(hours=2))
    look_up(new.secret)
    assert "old" in watch()["function.key_expiring"].why


@pytest.mark.parametrize("how", ["expired", "revoked", "left", "no longer staff"])
def test_a_refused_key_is_an_alert_and_a_fault_until_another_is_accepted(
    olga: User, sandbox: Sandbox, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(olga)
    look_up(key.secret, at=timezone.now() - timedelta(minutes=5))
    assert health._function() == "ok"
    if how == "expired":
        ApiKey.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    elif how == "revoked":
        revoke_api_key(key=key.key, actor=olga)
    elif how == "left":
        User.objects.filter(pk=olga.pk).update(is_active=False)
    else:
        olga.groups.clear()
        olga.user_permissions.clear()
    refused(key.secret)
    alert = watch()["function.key_refused"]
    assert alert.severity == "high"
    assert "handler" in alert.why
    assert health._function() == "its API key is refused: no mail is delivered"
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("check_receiving", stdout=out)
    assert "to do  API key: The function's API key handler" in out.getvalue()
    other = make_key(make_staff(Role.OPERATOR, email="other@us.example"), name="new")
    look_up(other.secret, at=timezone.now() + timedelta(seconds=1))
    assert health._function() == "ok"
    for _ in range(3):
        after = watch()
    assert "function.key_refused" not in after


@pytest.mark.parametrize(
    ("good_used", "old_used", "stops"),
    [
        (timedelta(minutes=5), None, False),
        (timedelta(hours=23), timedelta(days=40), False),
        (timedelta(hours=25), timedelta(days=40), True),
        (timedelta(minutes=5), timedelta(minutes=2), True),  # the function still used the old one
        (None, timedelta(days=40), True),
    ],
)
def test_one_call_with_an_old_key_is_an_alert_and_no_fault_while_the_function_has_a_good_one(
    olga: User, good_used: timedelta | None, old_used: timedelta | None, stops: bool
) -> None:
    now = timezone.now()
    good, old = make_key(olga, name="good"), make_key(olga, name="old")
    for key, ago in ((good, good_used), (old, old_used)):
        if ago is not None:
            look_up(key.secret, at=now - ago)
    revoke_api_key(key=old.key, actor=olga)
    refused(old.secret, at=now)
    assert "API key old (" in watch()["function.key_refused"].why
    assert (health._function() != "ok") is stops
    assert key_report(now + timedelta(days=9)).stops_mail is stops, "nothing was refused since"


def test_a_good_key_that_is_no_longer_used_excuses_no_later_refusal(olga: User) -> None:
    now = timezone.now()
    good, old = make_key(olga, name="good"), make_key(olga, name="old")
    look_up(good.secret, at=now)
    revoke_api_key(key=old.key, actor=olga)
    refused(old.secret, at=now + timedelta(minutes=5))
    assert not key_report(now).stops_mail
    refused(old.secret, at=now + timedelta(hours=25))
    assert key_report(now).stops_mail


def test_a_call_with_an_old_key_hides_no_refusal_of_the_functions_key(olga: User) -> None:
    now = timezone.now()
    other, stray, ours = (make_key(olga, name=name) for name in ("other", "stray", "ours"))
    look_up(other.secret, at=now - timedelta(hours=2))
    look_up(ours.secret, at=now - timedelta(hours=1))
    for key in (ours, stray):
        revoke_api_key(key=key.key, actor=olga)
    refused(ours.secret, at=now - timedelta(minutes=10))
    refused(stray.secret, at=now)
    assert key_report(now).stops_mail


@pytest.mark.parametrize("tried", ["before", "after"])
def test_a_key_that_a_person_tries_hides_no_refusal_of_the_functions_key(
    olga: User, client: Any, sandbox: Sandbox, tried: str
) -> None:
    now = timezone.now()
    ActiveRuleSet.objects.create(region=settings.AWS_REGION, read_at=now, changed_at=now)
    ours, new = make_key(olga, name="ours"), make_key(olga, name="new")

    def call(secret: str, **headers: str) -> int:
        header = {"HTTP_AUTHORIZATION": f"Bearer {secret}", **headers}
        body = {"recipients": ["a@shop.com"]}
        return int(client.post("/api/v2/route-lookup", body, content_type="application/json", **header).status_code)

    claims = {"HTTP_X_INBOUND_ADMIN_CLAIMS": "1"}
    assert call(ours.secret, **claims) == 200
    if tried == "before":
        assert call(new.secret) == 200
    revoke_api_key(key=ours.key, actor=olga)
    assert call(ours.secret, **claims) == 401
    if tried == "after":
        assert call(new.secret) == 200
    assert "API key ours (" in watch()["function.key_refused"].why
    assert health._function() != "ok"
    assert call(new.secret, **claims) == 200
    assert health._function() == "ok"


def test_a_customers_key_at_route_lookup_alarms_nobody() -> None:
    member = make_member(make_customer("Alice"))
    made = create_api_key(user=member, name="x", scopes=["read"], actor=None)
    refused(made.secret)
    refused("ia_unknown")
    assert key_report(timezone.now()).refused == ""
    assert not ApiKey.objects.exclude(last_refused_at=None).exists()


def test_a_refused_lookup_of_the_api_is_stored_with_its_key(olga: User, client: Any) -> None:
    key = make_key(olga)
    ApiKey.objects.update(expires_at=timezone.now())
    body = {"recipients": ["a@shop.com"]}
    answer = client.post(
        "/api/v2/route-lookup", body, content_type="application/json", HTTP_AUTHORIZATION=f"Bearer {key.secret}"
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "KEY_EXPIRED")
    assert ApiKey.objects.get().last_refused_at is not None


@pytest.mark.parametrize("cause", ["refused", "no lookup", "endpoint"])
def test_a_failing_function_names_its_cause(
    olga: User, cause: str, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(pipeline_services, "_rules", lambda *_: ())
    monkeypatch.setattr(
        pipeline_services, "_functions", lambda *_: (SimpleNamespace(metric="Errors", of="f", total=58.0),)
    )
    monkeypatch.setattr(pipeline_services, "_failing_endpoints", lambda _: "Endpoints that don't accept mail: CRM.")
    key = make_key(olga)
    look_up(key.secret, at=timezone.now() - timedelta(minutes=120 if cause != "endpoint" else 5))
    if cause == "refused":
        revoke_api_key(key=key.key, actor=olga)
        refused(key.secret)
    for _ in range(2):
        pipeline_services.check_for_lost_mail(now=timezone.now())
    why = open_alerts()["function.failing"].why
    expected = {"refused": "it was revoked", "no lookup": "no route lookup was answered", "endpoint": "CRM"}
    assert expected[cause] in why
    assert ("CRM" in why) is (cause == "endpoint")


def test_without_a_valid_key_receiving_is_not_set_up(olga: User, settings: Settings) -> None:
    assert "No valid API key" in key_report(timezone.now()).missing
    create_api_key(user=olga, name="half", scopes=["route"], actor=None)
    assert "No valid API key" in key_report(timezone.now()).missing
    make_key(olga)
    found = key_report(timezone.now())
    assert found.missing == ""
    assert "hasn't been used yet" in found.fine
    settings.RECEIVING_FUNCTION = ""
    assert key_report(timezone.now()).fine == ""
