"""Forwarded messages: their sender, their content, and refused loops."""

import email
from email import policy
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from receiving.events import Arrival
from receiving.forwards import NotForwarded, is_of_message, refuse_loop, rewritten, with_own_recipient
from receiving.handler import Undelivered
from receiving.messages import Letter
from tests.receiving.conftest import REGION, Function
from tests.receiving.servers import Site
from tests.receiving.test_handler import MESSAGE, RAW, endpoint, event

OURS = "forward@panel.example"
ARRIVAL = Arrival(MESSAGE, ("billing@shop.com",), "2026-01-01T12:00:00Z")


def forward(raw: bytes) -> bytes:
    return rewritten(ARRIVAL, Letter(raw), "billing@shop.com", OURS)


def test_a_forward_is_sent_from_our_address_with_replies_to_the_sender() -> None:
    signed = b"Return-Path: <x@y.example>\r\nDKIM-Signature: v=1;\r\n b=abc\r\n" + RAW
    sent: Any = email.message_from_bytes(forward(signed), policy=policy.default)
    assert sent["From"].addresses[0].addr_spec == OURS
    assert sent["From"].addresses[0].display_name == "Ann Smith via billing@shop.com"
    assert sent["Reply-To"] == "ann@else.example"
    assert (sent["DKIM-Signature"], sent["Return-Path"], sent["Subject"]) == (None, None, "Café")
    assert forward(signed).endswith(RAW.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("raw", [b"", b"only text\n", b"\r\n\r\nbody", b"From: x\r\n\xff\r\n\r\nbody"])
def test_a_malformed_message_is_forwarded_completely(raw: bytes) -> None:
    sent = forward(raw)
    assert sent.startswith(b"From: ")
    assert sent.endswith(raw.partition(b"\r\n\r\n")[2] or raw)


def test_the_senders_name_cannot_inject_a_header() -> None:
    evil = b"From: =?utf-8?q?x=0D=0ABcc:_all@shop.com?= <a@else.example>\r\nReply-To: <b@x.example\r\n c>\r\n\r\nx"
    sent = email.message_from_bytes(forward(evil))
    assert sent["Bcc"] is None


def test_a_forwarding_loop_is_refused() -> None:
    mine = Letter(forward(RAW))
    far = Letter(b"Received: by a\r\n" * 26 + RAW)
    for letter, to in ((mine, "a@x.example"), (far, "a@x.example"), (Letter(RAW), "Billing@shop.com")):
        with pytest.raises(NotForwarded):
            refuse_loop(letter, "billing@shop.com", [to])
    refuse_loop(Letter(RAW), "billing@shop.com", ["a@x.example"])


def test_mail_is_forwarded_once_to_a_group_and_only_if_the_deployment_allows_it(function: Function, site: Site) -> None:
    function.store(MESSAGE, RAW)
    site.set_route("billing@shop.com", endpoint("group", "email_group", emails=["a@x.example", "b@x.example"]))
    function(event("billing@shop.com"))
    assert site.outcomes == {"billing@shop.com": "held"}
    function.client("ses").verify_email_identity(EmailAddress=OURS)
    allowed = function.changed(forward_from=OURS)
    before = len(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages)
    allowed(event("billing@shop.com"))
    allowed(event("billing@shop.com"))
    sent = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages[before:]
    # moto adds the message's To, which SES ignores if Destinations are given
    assert [message.destinations[:2] for message in sent] == [["a@x.example", "b@x.example"]]
    assert site.outcomes == {"billing@shop.com": "delivered"}


def test_recipients_without_a_domain_get_another_header_and_the_rest_stays() -> None:
    raw = b"From: a@x.example\r\nTo: x\r\nCc: root,\r\n daemon\r\nSubject: cron\r\n\r\nTo: in the body"
    sent = email.message_from_bytes(with_own_recipient(raw, "billing@shop.com"))
    assert (sent["To"], sent["Cc"], sent["Subject"]) == ("billing@shop.com", None, "cron")
    assert sent["X-Original-To"] == "x"
    assert sent["X-Original-Cc"].split() == ["root,", "daemon"]
    assert sent.get_payload() == "To: in the body"


@pytest.mark.parametrize(
    ("code", "text", "is_of"),
    [
        ("InvalidParameterValue", "Missing final '@domain'", True),
        ("InvalidParameterValue", "Domain of desk@else.example starts with a dot", False),
        ("MessageRejected", "Message contains a virus", True),
        ("MessageRejected", "Email address is not verified. The following identities failed: ours", False),
        ("Throttling", "Maximum sending rate exceeded", False),
    ],
)
def test_only_a_refusal_of_what_is_in_the_message_is_the_messages(code: str, text: str, *, is_of: bool) -> None:
    refusal = ClientError({"Error": {"Code": code, "Message": text}}, "SendRawEmail")
    assert is_of_message(refusal, ["Desk@else.example"]) is is_of


@pytest.mark.parametrize("headers", [b"To: x\r\nCc: root\r\n", b"Cc: root\r\n", b"To: x\r\n", b"To: a@shop.com\r\n"])
def test_mail_with_recipients_that_ses_refuses_is_forwarded(function: Function, site: Site, headers: bytes) -> None:
    function.store(MESSAGE, b"From: cron@else.example\r\n" + headers + b"Subject: cron\r\n\r\nbody")
    site.set_route("billing@shop.com", endpoint("desk", "email", forwardTo="a@x.example"))
    function.client("ses").verify_email_identity(EmailAddress=OURS)
    before = len(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages)
    function.changed(forward_from=OURS)(event("billing@shop.com"))
    (sent,) = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages[before:]
    assert sent.destinations[0] == "a@x.example"
    assert ("X-Original-" in sent.raw_data) == (headers != b"To: a@shop.com\r\n")
    assert site.outcomes == {"billing@shop.com": "delivered"}


@pytest.mark.parametrize(
    "sender", ["panel.example", "Panel <forward@panel.example>", "a b@panel.example", "x@y@z.example"]
)
def test_a_malformed_sender_address_fails_and_is_neither_the_messages_fault_nor_the_endpoints(
    function: Function, site: Site, sender: str
) -> None:
    function.store(MESSAGE, RAW)
    site.set_route("billing@shop.com", endpoint("desk", "email", forwardTo="a@x.example"))
    with pytest.raises(Undelivered, match="ForwardFrom"):
        function.changed(forward_from=sender)(event("billing@shop.com"))
    (reported,) = site.reports
    assert (reported["outcome"], reported["endpointId"]) == ("failed", None)
    assert "storageProblem" not in reported
    function.client("ses").verify_email_identity(EmailAddress=OURS)
    function.changed(forward_from=OURS)(event("billing@shop.com"))
    assert site.outcomes == {"billing@shop.com": "delivered"}


@pytest.mark.parametrize(
    ("problem", "of_endpoint"),
    [
        (ClientError({"Error": {"Code": "MessageRejected", "Message": "Not verified: us"}}, "SendRawEmail"), False),
        (ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "SendRawEmail"), False),
        (EndpointConnectionError(endpoint_url="https://email.example"), False),
        (
            ClientError({"Error": {"Code": "InvalidParameterValue", "Message": "a@x.example: bad"}}, "SendRawEmail"),
            True,
        ),
    ],
)
def test_only_a_refused_recipient_is_the_endpoints_fault_and_nothing_that_ses_does_is_the_buckets(
    function: Function, site: Site, monkeypatch: pytest.MonkeyPatch, problem: Exception, *, of_endpoint: bool
) -> None:
    def refuse(**_: Any) -> None:
        raise problem

    monkeypatch.setattr(function.client("ses"), "send_raw_email", refuse)
    function.store(MESSAGE, RAW)
    site.set_route("billing@shop.com", endpoint("desk", "email", forwardTo="a@x.example"))
    with pytest.raises(Undelivered):
        function.changed(forward_from=OURS)(event("billing@shop.com"))
    (reported,) = site.reports
    assert (reported["outcome"], reported["endpointId"]) == ("failed", "ep_desk" if of_endpoint else None)
    assert "storageProblem" not in reported


def test_a_message_that_ses_refuses_anyway_is_held_and_is_no_failure_of_the_endpoint(
    function: Function, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "InvalidParameterValue", "Message": "Bad header."}}, "SendRawEmail")

    monkeypatch.setattr("receiving.handler.Receiver._send", refuse)
    function.store(MESSAGE, RAW)
    site.set_route("billing@shop.com", endpoint("desk", "email", forwardTo="a@x.example"))
    function.changed(forward_from=OURS)(event("billing@shop.com"))
    assert site.outcomes == {"billing@shop.com": "held"}
