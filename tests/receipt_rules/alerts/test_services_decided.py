"""A decision about drift ends its alert at once; harmless drift is not of high severity."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from notifications.models.alerts import Alert
from receipt_rules.drift import services as drift_services
from sandbox.process import Sandbox
from tests.receipt_rules.factories import (
    approve_and_run,
    make_address,
    make_unmanaged_rule,
    make_verified,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
STOP = [{"StopAction": {"Scope": "RuleSet"}}]


@pytest.fixture
def olga(sandbox: Sandbox) -> User:
    operator = set_up_receiving()
    make_address("press@shop.com", make_verified("shop.com"))
    approve_and_run(operator)
    return operator


def check_and_get_alert() -> Alert:
    drift_services.check_drift()
    return Alert.objects.filter(kind="rule.drift").latest("since")


def test_accepting_drift_ends_its_alert_and_new_drift_opens_another(olga: User) -> None:
    make_unmanaged_rule("newsletter", ["bounces@letters.example"])
    first = check_and_get_alert()
    assert (first.state, first.severity) == ("open", "medium")
    drift_services.accept(because="Theirs", actor=olga)
    first.refresh_from_db()
    assert first.state == "recovered"
    make_unmanaged_rule("press-freeze-test", ["press@shop.com"], actions=STOP)
    second = check_and_get_alert()
    assert (second.state, second.severity) == ("open", "high")
    assert second.since > first.since
    assert "newsletter" not in second.why


def test_the_alert_recovers_once_every_difference_is_ignored(olga: User) -> None:
    make_unmanaged_rule("one", ["a@letters.example"])
    make_unmanaged_rule("two", ["b@letters.example"])
    alert = check_and_get_alert()
    one, two = drift_services.check_drift()
    drift_services.ignore(key=one.key, because="Theirs", actor=olga)
    alert.refresh_from_db()
    assert alert.state == "open"
    assert one.sentence not in alert.why
    drift_services.ignore(key=two.key, because="Theirs", actor=olga)
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_pages_offer_no_restore_plan_for_what_no_plan_can_revert(olga: User, client: Client) -> None:
    """Neither Rules nor Plan shows a useless link."""
    make_unmanaged_rule("trial", ["a@letters.example"], actions=STOP)
    client.force_login(olga)
    assert (
        "Review restore plan" in client.get(reverse("receipt_rules:rules"), {"now": "1"}).text
    )  # the plan moves our rule in front
    approve_and_run(olga)
    page = client.get(reverse("receipt_rules:rules"), {"now": "1"}).text
    assert "Review restore plan" not in page
    assert "trial can’t be taken over by a plan" in page
    assert "Accept all changes" in page
    plan = client.get(reverse("receipt_rules:plan")).text
    assert "No plan changes trial: delete it in the SES console, or accept or ignore it under Rules." in plan
    make_unmanaged_rule("press-freeze-test", ["press@shop.com"], actions=STOP)
    assert "Review restore plan" in client.get(reverse("receipt_rules:rules"), {"now": "1"}).text
