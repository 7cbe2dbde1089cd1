"""Operators get one alert for drift and one for quotas, however often they are checked."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import User
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from notifications.alerts import services as alerts_services
from notifications.models.alerts import Alert, Notice
from notifications.models.webhooks import Event
from receipt_rules.addresses import services as addresses_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.runs import RulesCheck
from receipt_rules.receiving import services as receiving_services
from sandbox.process import Sandbox
from tests.factories import make_member
from tests.receipt_rules.factories import approve_and_run, live, make_unmanaged_rule, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    return domain


@pytest.fixture
def olga(shop: Domain) -> User:
    return set_up_receiving()


def _delete_a_rule() -> None:
    rules = live()
    aws.client("ses").delete_receipt_rule(RuleSetName=rules.name, RuleName=rules.rules[0].name)


def _events(name: str) -> list[dict[str, object]]:
    return [event.data for event in Event.objects.filter(event=name).order_by("at")]


def test_drift_notifies_operators_once_and_its_alert_recovers_after_a_restore(olga: User) -> None:
    make_member()
    _delete_a_rule()
    for _ in range(3):
        drift_services.check_drift()
    alert = Alert.objects.get(kind="rule.drift")
    assert (alert.state, alert.permission, alert.looks) == ("open", "receipt_rules.operate_rules", 3)
    assert [notice.person for notice in alert.notices.all()] == [olga]
    (event,) = _events("rule.drift")
    assert "was deleted" in str(event["why"])
    approve_and_run(olga)
    drift_services.check_drift()
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_an_ignored_difference_ends_its_alert(olga: User) -> None:
    _delete_a_rule()
    for difference in drift_services.check_drift():
        drift_services.ignore(key=difference.key, because="on purpose", actor=olga)
    drift_services.check_drift()
    assert Alert.objects.get(kind="rule.drift").state == "recovered"


def test_a_quota_alert_opens_once_at_80_percent_and_recovers_below(olga: User, settings: Settings) -> None:
    settings.SES_IDENTITIES = 2
    drift_services.check_drift()
    assert not Alert.objects.filter(kind="quota.80").exists()
    settings.SES_IDENTITIES = 1
    for _ in range(3):
        drift_services.check_drift()
    alert = Alert.objects.get(kind="quota.80")
    assert (alert.object_name, alert.state) == ("Identities in eu-west-1", "open")
    (event,) = _events("quota.80")
    assert (event["used"], event["limit"], event["percent"]) == (1, 1, 100)
    settings.SES_IDENTITIES = 10
    drift_services.check_drift()
    alert.refresh_from_db()
    assert alert.state == "recovered"


@pytest.mark.parametrize(
    ("quotas", "full"),
    [
        ({"SES_RULES_PER_SET": 1}, {"Rules"}),
        ({"SES_RULES_PER_SET": 1, "SES_RECIPIENTS_PER_RULE": 1}, {"Rules", "Recipients"}),
        ({"SES_TENANTS": 0}, {"Tenants"}),
    ],
)
def test_rules_recipients_and_tenants_have_quota_alerts(
    olga: User, settings: Settings, quotas: dict[str, int], full: set[str]
) -> None:
    for name, value in quotas.items():
        setattr(settings, name, value)
    drift_services.check_drift()
    names = Alert.objects.filter(kind="quota.80", state="open").values_list("object_name", flat=True)
    assert {name.partition(" ")[0] for name in names} == full


def test_a_failed_check_recovers_no_alert(olga: User, sandbox: Sandbox, settings: Settings) -> None:
    _delete_a_rule()
    drift_services.check_drift()
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    aws.drop_clients()
    try:
        with pytest.raises(AwsProblem):
            drift_services.check_drift()
    finally:
        settings.AWS_ENDPOINT_URL = sandbox.aws_url
        aws.drop_clients()
    assert RulesCheck.objects.get().problem
    assert Alert.objects.get(kind="rule.drift").state == "open"


def _switch(name: str, *, on: bool) -> None:
    ses = aws.client("ses")
    rule = ses.describe_receipt_rule(RuleSetName="inbound-mail", RuleName=name)["Rule"]
    ses.update_receipt_rule(RuleSetName="inbound-mail", Rule=rule | {"Enabled": on})


def test_disabling_our_rule_notifies_operators_again_during_an_open_drift_alert(olga: User, shop: Domain) -> None:
    make_unmanaged_rule("theirs", ["else.com"], rule_set="inbound-mail")
    drift_services.check_drift()
    alert = Alert.objects.get(kind="rule.drift")
    assert (alert.severity, alert.harmed) == ("medium", 0)
    Notice.objects.update(sent_at=timezone.now())
    alerts_services.acknowledge(alert=alert, actor=olga)
    name = live().ours[0].name
    _switch(name, on=False)
    found = {each.kind: each for each in drift_services.check_drift()}
    assert found["changed"].sentence.endswith(": disabled. 1 recipient stops receiving through it.")
    alert.refresh_from_db()
    assert (alert.severity, alert.harmed, alert.acknowledged_at) == ("high", 1, None)
    assert alert.why.startswith(f"Rule {name} was changed outside this system: disabled.")
    assert "With the plan, 1 catch-all starts receiving." in alert.why
    assert [notice.sent_at for notice in alert.notices.all()] == [None]
    Notice.objects.update(sent_at=timezone.now())
    make_unmanaged_rule("another", ["third.com"], rule_set="inbound-mail")
    drift_services.check_drift()
    alert.refresh_from_db()
    assert (alert.severity, alert.harmed) == ("high", 1)
    assert None not in [notice.sent_at for notice in alert.notices.all()]
    assert {each["key"] for each in RulesCheck.objects.get().differences} >= {each.key for each in found.values()} - {
        found["not_as_wanted"].key
    }


def test_operators_are_notified_of_rejected_mail_when_customers_see_it(olga: User, shop: Domain) -> None:
    """The live rules are recorded outside a drift check, as after another customer's run."""
    record_mx(shop)
    assert CatchAll.objects.get().receiving.is_live
    _switch(live().ours[0].name, on=False)
    receiving_services.record_live_rules(live(), is_ours=True)
    alert = Alert.objects.get(kind="receiving.rejected", state="open")
    assert alert.why.startswith("SES rejects mail for 1 recipient of 1 customer: shop.com. It was received before")
    assert [notice.person for notice in alert.notices.all()] == [olga]
    row = CatchAll.objects.get()
    assert row.rules == "dropped"
    assert row.receiving.sentence == (
        "SES rejects the mail of this catch-all now, although it was set up. Our team has been notified."
    )
    assert row.domain.receiving.sentence == (
        "SES rejects mail for some or all addresses at shop.com now, although they were set up. "
        "Our team has been notified."
    )
    _switch(live().ours[0].name, on=True)
    receiving_services.record_live_rules(live(), is_ours=True)
    alert.refresh_from_db()
    assert (alert.state, CatchAll.objects.get().rules) == ("recovered", "carried")


@pytest.mark.parametrize(
    ("changed", "state", "sentence"),
    [
        (
            {"Actions": []},
            "undelivered",
            "Mail for shop.com is stored, but not delivered: the receipt rule doesn't call",
        ),
        ({"TlsPolicy": "Require"}, "tls_only", "Mail for shop.com arrives here only over TLS: SES rejects it from"),
    ],
)
def test_a_rule_that_no_longer_delivers_or_requires_tls_is_no_green_page(
    olga: User, shop: Domain, changed: dict[str, Any], state: str, sentence: str
) -> None:
    record_mx(shop)
    client, name = aws.client("ses"), live().ours[0].name
    rule = client.describe_receipt_rule(RuleSetName=live().name, RuleName=name)["Rule"]
    if "Actions" in changed:
        changed = {"Actions": [action for action in rule["Actions"] if "S3Action" in action]}
    client.update_receipt_rule(RuleSetName=live().name, Rule=rule | changed)
    receiving_services.record_live_rules(live(), is_ours=True)
    row = CatchAll.objects.get()
    assert row.receiving.state == row.domain.receiving.state == state
    assert row.domain.receiving.sentence.startswith(sentence)
    alert = Alert.objects.get(kind="receiving.undelivered", state="open")
    assert alert.why.startswith(
        "A receipt rule doesn't deliver mail as planned for 1 recipient of 1 customer: shop.com."
    )
    assert [notice.person for notice in alert.notices.all()] == [olga]
    client.update_receipt_rule(RuleSetName=live().name, Rule=rule)
    receiving_services.record_live_rules(live(), is_ours=True)
    alert.refresh_from_db()
    assert (alert.state, CatchAll.objects.get().rules) == ("recovered", "carried")


def record_mx(domain: Domain) -> None:
    domain.mx_facts = {domain.name: "here"}
    domain.save()
