"""Forwarded messages: their sender, their content, and refused loops."""

import email
from email import policy
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from receiving.events import Arrival
from receiving.forwards import NotForwarded, refuse_loop, rewritten
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
