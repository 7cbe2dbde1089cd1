"""The simulator says what the sandbox's receiver does, for random rules and envelopes. They share no code."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from inbound_admin.lib import aws
from receipt_rules.planner.core.matching import RecipientOutcome, RoutingResult, route
from receipt_rules.planner.core.rules import S3, Lambda
from sandbox.aws.state import WORLD
from sandbox.mail.log import MailEntry
from sandbox.mail.rules import Envelope, receive, region_named
from sandbox.process import Sandbox
from tests.receipt_rules.factories import live
from tests.receipt_rules.strategies import ADDRESSES, RECIPIENTS, STRANGERS

pytestmark = pytest.mark.django_db
REGION, SET = "eu-west-1", "inbound-mail"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:inbound-mail-handler"
_spelled = st.sampled_from((str.lower, str.upper, str.title))
_actions = st.lists(
    st.sampled_from(
        (
            {"S3Action": {"BucketName": SET, "ObjectKeyPrefix": "mail/"}},
            {"S3Action": {"BucketName": SET, "ObjectKeyPrefix": "theirs/"}},
            {"LambdaAction": {"FunctionArn": FUNCTION}},
            {"BounceAction": {"SmtpReplyCode": "550", "Message": "No", "Sender": "a@bob.example"}},
            {"AddHeaderAction": {"HeaderName": "X-Seen", "HeaderValue": "yes"}},
            {"StopAction": {"Scope": "RuleSet"}},
        )
    ),
    max_size=4,
)
_recipients = st.lists(st.builds(lambda spell, text: spell(text), _spelled, st.sampled_from(RECIPIENTS)), max_size=3)
_rules = st.lists(
    st.fixed_dictionaries(
        {
            "Name": st.builds("{}-{:03}".format, st.sampled_from(("inbound-admin", "theirs")), st.integers(1, 9)),
            "Enabled": st.sampled_from((True, True, True, False)),
            "Recipients": _recipients,
            "Actions": _actions,
            "TlsPolicy": st.sampled_from(("Optional", "Optional", "Optional", "Require")),
            "ScanEnabled": st.booleans(),
        }
    ),
    max_size=6,
    unique_by=lambda rule: rule["Name"],
)
_envelopes = st.lists(
    st.builds(lambda spell, text: spell(text), _spelled, st.sampled_from((*ADDRESSES, *STRANGERS))),
    min_size=1,
    max_size=4,
    unique_by=str.lower,
)


@pytest.fixture
def rule_set(sandbox: Sandbox) -> str:
    client = aws.client("ses")
    client.create_receipt_rule_set(RuleSetName=SET)
    client.set_active_receipt_rule_set(RuleSetName=SET)
    return SET


@pytest.mark.parametrize("after_stop", ["skipped", "run"])
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=_rules, envelope=_envelopes, is_tls=st.booleans())
def test_the_simulator_says_what_the_receiver_does(
    sandbox: Sandbox,
    rule_set: str,
    after_stop: str,
    rules: list[Mapping[str, Any]],
    envelope: list[str],
    *,
    is_tls: bool,
) -> None:
    sandbox.control.set_beliefs(after_stop=after_stop)
    ses_backends[DEFAULT_ACCOUNT_ID][REGION].receipt_rule_set[rule_set].rules[:] = [dict(rule) for rule in rules]
    found = route(live().rules, envelope)
    entry = received(Envelope("ann@else.example", tuple(envelope), b"Subject: x\r\n\r\nx", is_tls=is_tls))
    if any("requires TLS" in step for step in entry.steps):
        assert any(flag.endswith("bounces mail that comes without TLS.") for flag in found.flags)
        return
    ran = [step.split()[1] for step in entry.steps if step.startswith("Rule ") and " matches " in step]
    assert [one.rule.name for one in found.fired] == ran
    if any("after its Stop action" in flag for flag in found.flags) and after_stop == "run":
        assert said_of(found)[1] <= done_by(entry)[1]
        return
    assert said_of(found) == done_by(entry)


def received(envelope: Envelope) -> MailEntry:
    with WORLD.lock:
        WORLD.mail.jobs.clear()
        state = region_named(REGION)
        assert state is not None
        return receive(state, envelope)


def said_of(found: RoutingResult) -> tuple[bool, int, list[list[str]], bool]:
    """Return what the simulator says: is it bounced, how often it is stored, the function's recipients, accepted."""
    bounces = RecipientOutcome.BOUNCED in found.recipient_outcomes.values()
    stored = sum(isinstance(action, S3) for _, action in found.actions)
    calls = [
        [match.recipient for match in one.matches]
        for one in found.fired
        for action in one.rule.delivery.effective_actions
        if isinstance(action, Lambda)
    ]
    return bounces, stored, calls, not found.is_rejected and not bounces


def done_by(entry: MailEntry) -> tuple[bool, int, list[list[str]], bool]:
    """Return the same of what the receiver did."""
    bounced = any(step.startswith("Bounce:") for step in entry.steps)
    stored = sum(step.startswith("S3: stored") for step in entry.steps)
    called = [job.event["Records"][0]["ses"]["receipt"]["recipients"] for job in WORLD.mail.jobs]
    return bounced, stored, [[each.lower() for each in some] for some in called], entry.is_accepted


def test_another_function_than_ours_gets_no_report_from_us(rule_set: str) -> None:
    rule = {"Name": "theirs", "Enabled": True, "Actions": [{"LambdaAction": {"FunctionArn": f"{FUNCTION}-of-them"}}]}
    ses_backends[DEFAULT_ACCOUNT_ID][REGION].receipt_rule_set[rule_set].rules[:] = [rule]
    received(Envelope("ann@else.example", ("a@alice.example",), b"x"))
    assert not WORLD.mail.jobs
