"""Events that invoke the function, in the shapes of the AWS documentation."""

import json
from typing import Any

import pytest

from receiving.events import Arrival, LookAgain, UnknownEvent, read_event
from tests.receiving.test_handler import event


def notification(**receipt: Any) -> dict[str, Any]:
    """Return the SNS notification of a message stored by an S3 action."""
    action = {"type": "S3", "topicArn": "arn:t", "bucketName": "mail", "objectKeyPrefix": "in", "objectKey": "in/abc"}
    content = {
        "notificationType": "Received",
        "receipt": {"recipients": ["A@shop.com"], "timestamp": "2026-01-01T12:00:00.000Z", "action": action, **receipt},
        "mail": {"messageId": "abc", "timestamp": "2026-01-01T12:00:00.000Z", "destination": ["A@shop.com"]},
    }
    return _sns(json.dumps(content))


def _sns(message: str) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": message}}]}


def _sqs(*bodies: Any) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(body)} for body in bodies]}


def test_an_event_of_the_lambda_action_has_its_recipients_in_lower_case() -> None:
    (found,) = read_event(event("A@Shop.com", "a@shop.com", "b@shop.com", virus="FAIL"))
    assert isinstance(found, Arrival)
    assert (found.recipients, found.has_virus, found.stored) == (("a@shop.com", "b@shop.com"), True, None)


def test_a_notification_contains_the_stored_object() -> None:
    (found,) = read_event(notification())
    assert isinstance(found, Arrival)
    assert (found.message_id, found.stored) == ("abc", ("mail", "in/abc"))


def test_a_message_has_the_time_when_ses_received_it() -> None:
    """A rule's action may run hours later, when the domain has another holder."""
    (found,) = read_event(notification(timestamp="2026-01-02T06:00:00.000Z"))
    assert isinstance(found, Arrival)
    assert found.received_at == "2026-01-01T12:00:00.000Z"


@pytest.mark.parametrize(("sent", "token"), [("abc" * 40, ("abc" * 40)[:64]), ("a\x01b", ""), ("\ud800", "")])
def test_a_probe_header_that_no_report_accepts_is_no_probe(sent: str, token: str) -> None:
    asked = event("a@shop.com")
    asked["Records"][0]["ses"]["mail"]["headers"] = [{"name": "X-Inbound-Admin-Probe", "value": sent}]
    (found,) = read_event(asked)
    assert isinstance(found, Arrival)
    assert found.probe == token


def test_events_from_the_queue_are_unwrapped() -> None:
    record = {"version": "1.0", "requestPayload": event("a@shop.com"), "responsePayload": {"errorType": "Undelivered"}}
    assert read_event(_sqs(record, event("a@shop.com"))) == read_event(event("a@shop.com")) * 2


@pytest.mark.parametrize(
    "message",
    ["Successfully validated SNS topic for Amazon SES event publishing.", '{"notificationType": "Bounce"}', "[]"],
)
def test_other_messages_of_a_topic_are_ignored(message: str) -> None:
    assert read_event(_sns(message)) == ()


def test_the_setup_notification_of_ses_is_no_mail() -> None:
    assert read_event(event("a@shop.com", message="AMAZON_SES_SETUP_NOTIFICATION")) == ()


def test_the_schedules_event_asks_for_another_check() -> None:
    assert read_event({"inboundAdmin": {"lookAgain": True}}) == (LookAgain(),)


@pytest.mark.parametrize("strange", [{}, {"Records": [{"eventSource": "aws:dynamodb"}]}, {"inboundAdmin": {"drop": 1}}])
def test_an_unknown_event_raises(strange: dict[str, Any]) -> None:
    with pytest.raises(UnknownEvent):
        read_event(strange)
