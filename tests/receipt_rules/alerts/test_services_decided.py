"""A decision over drift ends its alert at once, and what harms nobody isn't high."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from notifications.models.alerts import Alert
from receipt_rules.drift import services as drift_services
from sandbox.process import Sandbox
from tests.receipt_rules.factories import approve_and_run, foreign_rule, make_address, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
STOP = [{"StopAction": {"Scope": "RuleSet"}}]


@pytest.fixture
def olga(sandbox: Sandbox) -> User:
    operator = set_up_receiving()
    make_address("press@shop.com", make_verified("shop.com"))
    approve_and_run(operator)
    return operator


def found() -> Alert:
    drift_services.check_drift()
    return Alert.objects.filter(kind="rule.drift").latest("since")


def test_what_was_accepted_has_an_end_then_and_the_next_drift_its_own_beginning(olga: User) -> None:
    foreign_rule("newsletter", ["bounces@letters.example"])
    first = found()
    assert (first.state, first.severity) == ("open", "medium")
    drift_services.accept(because="Theirs", actor=olga)
    first.refresh_from_db()
    assert first.state == "recovered"
    foreign_rule("press-freeze-test", ["press@shop.com"], actions=STOP)
    second = found()
    assert (second.state, second.severity) == ("open", "high")
    assert second.since > first.since
    assert "newsletter" not in second.why


def test_the_alert_is_over_once_every_difference_is_ignored(olga: User) -> None:
    foreign_rule("one", ["a@letters.example"])
    foreign_rule("two", ["b@letters.example"])
    alert = found()
    one, two = drift_services.check_drift()
    drift_services.ignore(key=one.key, because="Theirs", actor=olga)
    alert.refresh_from_db()
    assert alert.state == "open"
    assert one.sentence not in alert.why
    drift_services.ignore(key=two.key, because="Theirs", actor=olga)
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_what_no_plan_reverts_is_offered_none(olga: User, client: Client) -> None:
    """Neither on Rules nor on Plan is there a way that leads nowhere."""
    foreign_rule("trial", ["a@letters.example"], actions=STOP)
    client.force_login(olga)
    assert (
        "Review restore plan" in client.get(reverse("receipt_rules:rules"), {"now": "1"}).text
    )  # it moves ours in front
    approve_and_run(olga)
    page = client.get(reverse("receipt_rules:rules"), {"now": "1"}).text
    assert "Review restore plan" not in page
    assert "trial can’t be taken over by a plan" in page
    assert "Accept all changes" in page
    plan = client.get(reverse("receipt_rules:plan")).text
    assert "No plan changes trial: delete it in the SES console, or accept or ignore it under Rules." in plan
    foreign_rule("press-freeze-test", ["press@shop.com"], actions=STOP)
    assert "Review restore plan" in client.get(reverse("receipt_rules:rules"), {"now": "1"}).text
