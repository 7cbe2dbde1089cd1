"""The whole move in the order of docs/import.md, while the old system keeps writing. No recipient is unserved on
the way, and no mail is stored twice at the end. The old system is simulated by its calls: one rule for a domain's
addresses, to which it adds new ones, and one for its catch-all; each call activates its own rule set. Its function
reads `emails/<domain>/` and `emails/<domain>/catchall/`.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models.people import User
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from operations.legacy_import import services as legacy_import_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.deliveries import services as deliveries_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.consequences import ConsequenceKind
from receipt_rules.planner.core.matching import delivering_rules
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import S3
from receipt_rules.planner.services import PlanRequest
from sandbox.process import Sandbox
from tests.domains.factories import seed_identities
from tests.factories import make_staff
from tests.operations.legacy_documents import files
from tests.receipt_rules.factories import live, make_address
from tests.receipt_rules.plan_guarantees import check_all

pytestmark = pytest.mark.django_db
OLD_SET = "inbound-email-rules"
FOLD = PlanRequest(old_style=True)
MAIL = ("billing@shop.com", "help@shop.com", "any@all.com", "desk@all.com")
EXPORT: dict[str, list[dict[str, Any]]] = {
    "users": [{"id": "u1", "email": "alice@people.example", "name": "Alice"}],
    "endpoints": [
        {"id": "e1", "name": "Desk", "type": "webhook", "config": '{"url": "https://desk.example/"}', "userId": "u1"}
    ],
    "domains": [
        {"id": "d1", "domain": "shop.com", "userId": "u1", "isCatchAllEnabled": False},
        {"id": "d2", "domain": "all.com", "userId": "u1", "isCatchAllEnabled": True, "catchAllEndpointId": "e1"},
    ],
    "emailAddresses": [
        {"address": address, "domainId": domain, "endpointId": "e1", "userId": "u1"}
        for address, domain in (("billing@shop.com", "d1"), ("help@shop.com", "d1"), ("desk@all.com", "d2"))
    ],
}


class OldSystem:
    """The old system's SES calls, with its names and shapes."""

    def __init__(self) -> None:
        self._ses = aws.client("ses")

    def set_up(self) -> None:
        self._ses.create_receipt_rule_set(RuleSetName=OLD_SET)
        self.add_addresses("shop.com", ["billing@shop.com", "help@shop.com"])
        self.set_catch_all("all.com")

    def add_addresses(self, domain: str, addresses: Sequence[str]) -> None:
        self._write(f"{domain}-rule", addresses, f"emails/{domain}/")

    def set_catch_all(self, domain: str) -> None:
        self._write(f"{domain}-catchall-rule", [domain], f"emails/{domain}/catchall/")

    def _write(self, name: str, recipients: Sequence[str], prefix: str) -> None:
        """Read the rule, add to its recipients, and activate the rule set whatever else is active."""
        rules = self._ses.describe_receipt_rule_set(RuleSetName=OLD_SET)["Rules"]
        known = next((rule for rule in rules if rule["Name"] == name), None)
        own = known.get("Recipients", []) if known else []
        actions = [
            {"S3Action": {"BucketName": "inbound-mail", "ObjectKeyPrefix": prefix}},
            {"LambdaAction": {"FunctionArn": deliveries_services.function_arn(), "InvocationType": "Event"}},
        ]
        merged = list(dict.fromkeys([*own, *recipients]))
        rule = {"Name": name, "Enabled": True, "Recipients": merged, "Actions": actions}
        write = self._ses.update_receipt_rule if known else self._ses.create_receipt_rule
        write(RuleSetName=OLD_SET, Rule=rule)
        self._ses.set_active_receipt_rule_set(RuleSetName=OLD_SET)


@pytest.fixture
def old(sandbox: Sandbox, settings: Settings) -> OldSystem:
    settings.RECEIVING_SCAN = False  # the old rules have the SES default
    seed_identities(["shop.com", "all.com"], ownership="Success", dkim="Success")
    made = OldSystem()
    made.set_up()
    return made


def keep_s3_layout(settings: Settings) -> None:
    settings.RECEIVING_PREFIX, settings.RECEIVING_PREFIX_EACH_DOMAIN = "emails/", True
    settings.RECEIVING_CATCH_ALL_PREFIX = "catchall/"


def adopt(adam: User) -> None:
    """Import rows and identities, then adopt the rule set."""
    legacy_import = legacy_import_services.store_import(
        files=files(EXPORT), because="We bought the service", actor=adam
    )
    legacy_import_services.work()
    legacy_import_services.start(legacy_import=legacy_import, actor=adam)
    legacy_import_services.work()
    assert set(legacy_import.rows.values_list("result", flat=True)) <= {"new", "same"}
    drift_services.adopt_rule_set(name=OLD_SET, because="It was the service's", actor=adam)


def import_later_export(adam: User) -> None:
    late = {"address": "late@shop.com", "domainId": "d1", "endpointId": "e1", "userId": "u1"}
    again = {**EXPORT, "emailAddresses": [*EXPORT["emailAddresses"], late]}
    legacy_import = legacy_import_services.store_import(files=files(again), because="The later export", actor=adam)
    legacy_import_services.work()
    legacy_import_services.start(legacy_import=legacy_import, actor=adam)
    legacy_import_services.work()


def compact_rules(adam: User) -> Plan:
    """Check the plan with whole envelopes in every state, approve and execute it."""
    before, made = live(), planner_services.plan_changes(FOLD)
    check_all(made, before, [MAIL[:2], MAIL[2:], MAIL])
    planner_services.approve(digest=made.digest, because="as shown", actor=adam, request=FOLD, typed=before.name)
    auto_apply_services.work()
    return made


def s3_prefixes(address: str) -> list[str]:
    rules = delivering_rules(live().rules, address)
    return [action.prefix for rule in rules for action in rule.delivery.actions if isinstance(action, S3)]


def test_a_plan_that_moves_mail_to_another_prefix_says_so_and_how_to_keep_the_layout(
    old: OldSystem, settings: Settings
) -> None:
    adam = make_staff(Role.ADMIN)
    adopt(adam)
    warned = planner_services.plan_changes(FOLD).warnings
    moved, offer = (next(each for each in warned if each.startswith(start)) for start in ("Mail for", "To keep"))
    assert "moves to another S3 location: inbound-mail/ instead of inbound-mail/emails/" in moved
    assert "RECEIVING_PREFIX=emails/, RECEIVING_PREFIX_EACH_DOMAIN=1 and RECEIVING_CATCH_ALL_PREFIX=catchall/" in offer
    keep_s3_layout(settings)
    kept = planner_services.plan_changes(FOLD)
    assert [each for each in kept.warnings if "another S3 location" in each] == []
    assert kept.consequences == ()
    assert not kept.doubles


def test_a_move_beside_an_active_old_system_leaves_no_recipient_unserved_or_doubled(
    old: OldSystem, settings: Settings
) -> None:
    adam = make_staff(Role.ADMIN)
    keep_s3_layout(settings)
    adopt(adam)
    assert (Address.objects.count(), CatchAll.objects.count()) == (3, 1)
    shown = planner_services.plan_changes(FOLD)
    old.add_addresses("shop.com", ["late@shop.com"])  # after the plan was shown
    with pytest.raises(Exception, match="changed"):
        planner_services.approve(digest=shown.digest, because="as shown", actor=adam, request=FOLD, typed=OLD_SET)
    assert all(len(s3_prefixes(address)) == 1 for address in MAIL), "the refusal loses no mail"
    waiting = planner_services.plan_changes(FOLD)
    assert "shop.com-rule" in waiting.after.names, "a rule with an unknown address is not replaced"
    import_later_export(adam)
    compact_rules(adam)
    assert live().foreign == ()
    shops, everything = ["emails/shop.com/"], ["emails/all.com/catchall/"]
    kept = [shops, shops, everything, everything, shops]
    assert [s3_prefixes(address) for address in (*MAIL, "late@shop.com")] == kept
    make_address("new@shop.com", Domain.objects.get(name="shop.com"))
    planner_services.approve(digest=planner_services.plan_changes().digest, because="a new address", actor=adam)
    auto_apply_services.work()
    old.add_addresses("shop.com", ["billing@shop.com"])  # the old system is still active and activates its own rule set
    assert (live().name, s3_prefixes("new@shop.com")) == (OLD_SET, [])
    assert all(len(s3_prefixes(address)) == 1 for address in (*MAIL, "late@shop.com"))
    compact_rules(adam)
    assert live().foreign == ()
    assert all(len(s3_prefixes(address)) == 1 for address in (*MAIL, "late@shop.com", "new@shop.com"))
    assert planner_services.plan_changes(FOLD).is_empty


def test_reactivating_the_old_rule_set_undoes_the_move_and_the_next_plan_warns_of_duplicates(
    old: OldSystem,
) -> None:
    adam = make_staff(Role.ADMIN)
    adopt(adam)
    compact_rules(adam)
    assert s3_prefixes("any@all.com") == [""]
    aws.client("ses").set_active_receipt_rule_set(RuleSetName=OLD_SET)
    assert s3_prefixes("any@all.com") == ["emails/all.com/catchall/"]
    duplicate = planner_services.plan_changes()
    assert {each.kind for each in duplicate.consequences} == {ConsequenceKind.TWICE}
    assert all("stored and processed more than once" in each.sentence for each in duplicate.consequences)
