"""The gateway against the sandbox: rules are read as written, and unknown members are kept unchanged."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing, AwsProblem, Refused
from receipt_rules.live import gateway as live_gateway
from receipt_rules.planner.core.desired import DesiredEntries
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import Method, Plan, RuleSetNames
from receipt_rules.planner.core.rules import (
    S3,
    AddHeader,
    Bounce,
    ForeignRule,
    Invocation,
    Lambda,
    Opaque,
    Rule,
    RuleDelivery,
    RuleLimits,
    RuleSet,
    Sns,
    Stop,
)
from receipt_rules.planner.core.steps import Activate, CloneSet, Create, CreateSet, Delete, Move, Reorder, Step, Update
from sandbox.process import Sandbox
from tests.receipt_rules.desired_rows import DesiredAddress, DesiredCatchAll, desired_entries

pytestmark = pytest.mark.django_db(transaction=True)

FUNCTION = "arn:aws:lambda:{region}:123456789012:function:inbound-mail-handler"
SET = "inbound-admin"


@pytest.fixture
def rule_set(sandbox: Sandbox) -> str:
    live_gateway.create_rule_set(SET)
    return SET


@pytest.fixture
def handler(rule_set: str) -> Lambda:
    return Lambda(FUNCTION.format(region=aws.client("ses").meta.region_name))


@pytest.fixture
def plain(handler: Lambda) -> Rule:
    delivery = RuleDelivery((S3("inbound-mail", "mail/"), handler))
    return Rule("inbound-admin-001", delivery, ("alice.example.com", "bob@example.com"))


def write_and_read(rule: Rule) -> Any:
    live_gateway.create_rule(SET, rule)
    return live_gateway.describe_rule_set(SET).by_name[rule.name]


def topic(name: str = "mail") -> str:
    ses_client = aws.client("ses")
    region = ses_client.meta.region_name
    made: str = aws.client("sns").create_topic(Name=name)["TopicArn"]
    assert region in made
    return made


def variants(rule: Rule, arn: str) -> Iterator[Rule]:
    """Yield the rule with each of its fields, and each field of its actions, changed on its own."""
    delivery = rule.delivery
    yield replace(rule, enabled=False)
    yield replace(rule, recipients=(".example.com",))
    yield replace(rule, delivery=replace(delivery, tls_required=True))
    yield replace(rule, delivery=replace(delivery, scan=False))
    function = next(action for action in delivery.actions if isinstance(action, Lambda))
    for actions in (
        (S3("inbound-mail"),),
        (S3("inbound-mail", "other/"),),
        (S3("inbound-mail", topic=arn),),
        (function,),
        (replace(function, invocation=Invocation.REQUEST_RESPONSE),),
        (replace(function, topic=arn),),
        (Sns(arn),),
        (Sns(arn, "Base64"),),
        (S3("inbound-mail"), Stop()),
        (S3("inbound-mail"), Stop(arn)),
        (AddHeader("X-Ours", "yes"), S3("inbound-mail")),
    ):
        yield replace(rule, delivery=replace(delivery, actions=actions))


def test_a_rule_is_read_as_written_for_every_field(plain: Rule) -> None:
    assert write_and_read(plain) == plain
    for rule in variants(plain, topic()):
        live_gateway.update_rule(SET, rule)
        assert live_gateway.describe_rule_set(SET).rules == (rule,)


def test_an_update_replaces_the_whole_rule(plain: Rule) -> None:
    full = replace(plain, delivery=replace(plain.delivery, tls_required=True))
    live_gateway.create_rule(SET, full)
    live_gateway.update_rule(SET, plain)
    assert live_gateway.describe_rule_set(SET).rules == (plain,)


def test_every_member_is_always_sent(plain: Rule) -> None:
    sent: list[dict[str, Any]] = []
    events = aws.client("ses").meta.events
    events.register("before-parameter-build.ses.CreateReceiptRule", lambda params, **_: sent.append(params["Rule"]))
    live_gateway.create_rule(SET, plain)
    assert sent[0].keys() == {"Name", "Enabled", "TlsPolicy", "ScanEnabled", "Recipients", "Actions"}


def test_every_action_is_written_and_read_with_its_wire_names() -> None:
    actions = (
        S3("bucket", "prefix/", "topic", "key", "role"),
        Bounce("us@example.com", "550", "Away", "5.1.1", "topic"),
        Lambda("arn", Invocation.REQUEST_RESPONSE, "topic"),
        Sns("topic", "Base64"),
        AddHeader("X-Ours", "yes"),
        Stop("topic"),
    )
    for action in actions:
        raw = live_gateway._write_action(action)
        assert len(next(iter(raw.values()))) >= 2
        assert live_gateway._read_action(raw) == action


def raw_rule(name: str, **members: Any) -> dict[str, Any]:
    return {"Name": name, "Enabled": True, "Recipients": ["old.example.com"], "Actions": [], **members}


def create_raw(rule: dict[str, Any]) -> ForeignRule:
    aws.client("ses").create_receipt_rule(RuleSetName=SET, Rule=rule)
    read = live_gateway.describe_rule_set(SET).by_name[rule["Name"]]
    assert isinstance(read, ForeignRule)
    return read


def test_a_rule_with_another_name_is_unmanaged_but_parsed(rule_set: str) -> None:
    s3 = {"S3Action": {"BucketName": "inbound-mail"}}
    read = create_raw(raw_rule("example.com-rule", Actions=[s3, {"StopAction": {"Scope": "RuleSet"}}]))
    assert read.delivery == RuleDelivery((S3("inbound-mail"), Stop()), scan=False)
    assert read.delivery.stops
    assert read.recipients == ("old.example.com",)
    assert read.may_be_taken_over
    assert json.loads(read.raw)["Actions"][0] == s3


def test_defaults_that_ses_adds_do_not_change_the_delivery(rule_set: str) -> None:
    read = create_raw(raw_rule("theirs", Actions=[{"SNSAction": {"TopicArn": topic()}}]))
    assert read.delivery.actions == (Sns(topic()),)
    assert not read.delivery.tls_required


def test_an_unknown_action_is_opaque_and_never_written(rule_set: str, plain: Rule) -> None:
    workmail = {"OrganizationArn": "arn:aws:workmail:eu-west-1:123456789012:organization/m-1"}
    read = create_raw(raw_rule("inbound-admin-002", Actions=[{"WorkmailAction": workmail}]))
    action = read.delivery.actions[0]
    assert isinstance(action, Opaque)
    assert json.loads(action.raw) == {"WorkmailAction": workmail}
    assert not read.may_be_taken_over
    with pytest.raises(Refused):
        replace(plain, delivery=read.delivery)
    with pytest.raises(Refused):
        live_gateway._write_action(action)


def test_unknown_members_make_a_rule_unmanaged_and_an_action_opaque(plain: Rule) -> None:
    raw = live_gateway._write(plain)
    assert live_gateway._read(raw) == plain
    newer = live_gateway._read({**raw, "NewMember": 1})
    assert isinstance(newer, ForeignRule)
    assert not newer.whole
    assert isinstance(live_gateway._read({**raw, "TlsPolicy": "Strict"}), ForeignRule)
    strange: dict[str, Any]
    for strange in (
        {"S3Action": {"BucketName": "b", "NewMember": "x"}},
        {"LambdaAction": {"FunctionArn": "arn", "InvocationType": "Later"}},
        {"StopAction": {"Scope": "Message"}},
        {"NewAction": {}},
    ):
        assert isinstance(live_gateway._read_action(strange), Opaque)


def test_our_rule_without_recipients_is_unmanaged(rule_set: str) -> None:
    read = create_raw(
        raw_rule("inbound-admin-001", Recipients=[], Actions=[{"S3Action": {"BucketName": "inbound-mail"}}])
    )
    assert read.is_for_everybody


def test_rules_can_be_placed_first_moved_and_reordered(plain: Rule) -> None:
    first, second, third = (replace(plain, name=f"inbound-admin-00{number}") for number in (1, 2, 3))
    live_gateway.create_rule(SET, second)
    live_gateway.create_rule(SET, first)
    live_gateway.create_rule(SET, third, after=second.name)
    assert live_gateway.describe_rule_set(SET).rules == (first, second, third)
    live_gateway.set_rule_position(SET, third.name)
    live_gateway.set_rule_position(SET, first.name, after=second.name)
    assert live_gateway.describe_rule_set(SET).rules == (third, second, first)
    live_gateway.reorder_rule_set(SET, [first.name, second.name, third.name])
    assert live_gateway.describe_rule_set(SET).rules == (first, second, third)
    with pytest.raises(AwsProblem):
        live_gateway.reorder_rule_set(SET, [first.name])


def test_deleting_a_rule_twice_is_no_error(plain: Rule) -> None:
    live_gateway.create_rule(SET, plain)
    live_gateway.delete_rule(SET, plain.name)
    live_gateway.delete_rule(SET, plain.name)
    assert live_gateway.describe_rule_set(SET).rules == ()


def test_the_active_rule_set_is_read_with_its_creation_date_or_is_none(plain: Rule) -> None:
    assert live_gateway.describe_active_rule_set() is None
    live_gateway.create_rule(SET, plain)
    live_gateway.set_active_rule_set(SET)
    active = live_gateway.describe_active_rule_set()
    assert isinstance(active, RuleSet)
    assert (active.name, active.rules) == (SET, (plain,))
    assert active.created is not None


def test_an_empty_name_never_deactivates_receiving(rule_set: str) -> None:
    live_gateway.set_active_rule_set(SET)
    with pytest.raises(Refused):
        live_gateway.set_active_rule_set("")
    active = live_gateway.describe_active_rule_set()
    assert active is not None


def test_a_cloned_rule_set_is_independent_of_its_source(plain: Rule) -> None:
    live_gateway.create_rule(SET, plain)
    live_gateway.clone_rule_set(SET, "copy")
    live_gateway.delete_rule(SET, plain.name)
    assert live_gateway.describe_rule_set("copy").rules == (plain,)
    names, token = live_gateway.list_rule_sets()
    assert {found.name for found in names} == {SET, "copy"}
    assert token == ""
    live_gateway.delete_rule_set("copy")
    assert {found.name for found in live_gateway.list_rule_sets()[0]} == {SET}


def test_missing_and_conflicting_names_raise_different_errors(plain: Rule) -> None:
    with pytest.raises(AwsMissing):
        live_gateway.describe_rule_set("nowhere")
    with pytest.raises(AwsMissing):
        live_gateway.update_rule(SET, plain)
    with pytest.raises(AwsMissing):
        live_gateway.create_rule(SET, plain, after="nothing")
    live_gateway.create_rule(SET, plain)
    with pytest.raises(AwsConflict):
        live_gateway.create_rule(SET, replace(plain, delivery=RuleDelivery((S3("inbound-mail"),))))
    with pytest.raises(AwsConflict):
        live_gateway.create_rule_set(SET)


def test_a_missing_bucket_raises_the_error_message_of_ses(plain: Rule) -> None:
    with pytest.raises(AwsProblem) as caught:
        live_gateway.create_rule(SET, replace(plain, delivery=RuleDelivery((S3("nowhere"),))))
    assert caught.value.aws_code.startswith("InvalidS3Configuration")
    assert "nowhere" in caught.value.aws_message


def execute(step: Step) -> None:
    match step:
        case CreateSet():
            live_gateway.create_rule_set(step.rule_set)
        case CloneSet():
            live_gateway.clone_rule_set(step.source, step.rule_set)
        case Create():
            live_gateway.create_rule(step.rule_set, step.new, after=step.after)
        case Update():
            live_gateway.update_rule(step.rule_set, step.new)
        case Delete():
            live_gateway.delete_rule(step.rule_set, step.old.name)
        case Move():
            live_gateway.set_rule_position(step.rule_set, step.rule.name, after=step.after)
        case Reorder():
            live_gateway.reorder_rule_set(step.rule_set, step.new)
        case Activate():
            live_gateway.set_active_rule_set(step.rule_set)


def plan_and_execute(desired: DesiredEntries, **options: Any) -> Plan:
    """Plan from the sandbox's rules, execute each step, and compare the result with the prediction."""
    active = live_gateway.describe_active_rule_set()
    names = frozenset(found.name for found in live_gateway.list_rule_sets()[0])
    sets = RuleSetNames(names, active.name if active else "")
    plan = make_plan(desired, active or RuleSet("receiving"), sets=sets, **options)
    for step in plan.steps:
        execute(step)
    after = live_gateway.describe_active_rule_set()
    assert after is not None
    assert (after.name, after.rules) == (plan.after.name, plan.after.rules)
    assert make_plan(desired, after).is_empty
    return plan


def test_after_its_steps_the_sandbox_has_the_rules_that_the_plan_predicted(handler: Lambda) -> None:
    shared, apart = RuleDelivery((S3("inbound-mail"), handler)), RuleDelivery((S3("inbound-mail", "billing/"), handler))
    billing = [DesiredAddress(f"billing@d{number}.example.com", apart) for number in range(4)]
    everything = [DesiredCatchAll(f"d{number}.example.com", shared) for number in range(4)]
    limits = RuleLimits(recipients=2)
    assert plan_and_execute(desired_entries(billing, everything), limits=limits).calls == 9
    create_raw_in("receiving", raw_rule("theirs", Actions=[{"StopAction": {"Scope": "RuleSet"}}]))
    moved = plan_and_execute(desired_entries(billing, everything), limits=limits)
    assert [type(step) for step in moved.steps] == [Reorder]
    other = [DesiredAddress("info@d0.example.com", apart), DesiredAddress("billing@d1.example.com", shared)]
    swapped = plan_and_execute(
        desired_entries([*billing[2:], *other], everything[2:]), limits=limits, method=Method.BLUE_GREEN
    )
    assert isinstance(swapped.steps[0], CloneSet)
    plan_and_execute(desired_entries([], everything), limits=limits)
    last = plan_and_execute(desired_entries([*other, DesiredAddress("late@d9.example.com", shared)], everything))
    assert last.after.foreign[0].name == "theirs"


def create_raw_in(rule_set: str, rule: dict[str, Any]) -> None:
    aws.client("ses").create_receipt_rule(RuleSetName=rule_set, Rule=rule)
