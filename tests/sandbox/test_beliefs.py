"""Behaviour that the AWS documentation leaves open: each belief has choices, in the control API and on the page."""

from dataclasses import asdict
from typing import Any

import pytest
from botocore.exceptions import ClientError

from inbound_admin.lib import aws
from sandbox.aws.limits import CHOICES, Beliefs
from sandbox.forms import BELIEFS
from sandbox.process import Sandbox

pytestmark = pytest.mark.django_db


def test_every_belief_has_choices_and_the_page_offers_them() -> None:
    assert set(asdict(Beliefs())) == set(CHOICES) == set(BELIEFS)
    for name, value in asdict(Beliefs()).items():
        assert value in CHOICES[name]
        assert set(BELIEFS[name][1]) == set(CHOICES[name])


def test_an_invalid_choice_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="Invalid behaviour"):
        sandbox.control.set_beliefs(hosted_zone="perhaps")


@pytest.mark.parametrize("belief", CHOICES["star_recipient"])
def test_an_asterisk_as_a_recipient_is_refused_or_literal(sandbox: Sandbox, belief: str) -> None:
    sandbox.control.set_beliefs(star_recipient=belief)
    ses = aws.client("ses")
    ses.create_receipt_rule_set(RuleSetName="theirs")
    action = {"AddHeaderAction": {"HeaderName": "a", "HeaderValue": "b"}}
    rule: Any = {"Name": "all", "Recipients": ["*@shop.com"], "Actions": [action]}
    if belief == "refused":
        with pytest.raises(ClientError, match="Invalid recipient"):
            ses.create_receipt_rule(RuleSetName="theirs", Rule=rule)
    else:
        ses.create_receipt_rule(RuleSetName="theirs", Rule=rule)


@pytest.mark.parametrize("belief", CHOICES["header_recipients"])
def test_a_copy_to_a_recipient_without_a_domain_is_refused_or_sent(sandbox: Sandbox, belief: str) -> None:
    sandbox.control.set_beliefs(header_recipients=belief)
    ses = aws.client("ses")
    ses.verify_email_identity(EmailAddress="ours@shop.com")
    mail: Any = {
        "Source": "ours@shop.com",
        "Destinations": ["a@x.example"],
        "RawMessage": {"Data": b"From: ours@shop.com\r\nCc: root\r\n\r\nbody"},
    }
    if belief == "refused":
        with pytest.raises(ClientError, match="InvalidParameterValue"):
            ses.send_raw_email(**mail)
    else:
        assert belief == "sent"
        assert ses.send_raw_email(**mail)["MessageId"]
