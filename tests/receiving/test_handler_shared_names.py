"""Two rules bring one message where a name is below another customer's: the function delivers it once."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from receiving.handler import Undelivered
from receiving.markers import Markers
from tests.receiving.conftest import Function
from tests.receiving.servers import Server, Site
from tests.receiving.test_handler import MESSAGE, RAW, endpoint, event

BOB = "bob@track.shop.com"


@pytest.fixture(autouse=True)
def bobs(site: Site, webhook: Server, function: Function) -> None:
    site.set_route(BOB, endpoint("bobs", url=f"{webhook.url}/mail", payload="standard"))
    site.routes[BOB]["sharedName"] = True
    function.store(MESSAGE, RAW)


def of_rule(milliseconds: int, *recipients: str) -> dict[str, Any]:
    """Return the event of one of the rules: each has its own time and its own recipients."""
    made = event(*recipients)
    made["Records"][0]["ses"]["receipt"]["processingTimeMillis"] = milliseconds
    return made


@pytest.fixture
def unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both events look before either has marked its delivery, as two functions at the same moment do."""
    monkeypatch.setattr(Markers, "delivered_to", lambda *_: "")


def test_of_two_events_at_the_same_moment_the_first_delivers(
    function: Function, site: Site, webhook: Server, unmarked: None
) -> None:
    function(of_rule(100, BOB))
    function(of_rule(140, BOB))
    assert (len(webhook.got), site.outcomes) == (1, {BOB: "delivered"})


def test_the_event_that_delivers_tries_again_and_the_other_leaves_it_the_message(
    function: Function, site: Site, webhook: Server
) -> None:
    webhook.statuses = [500]
    with pytest.raises(Undelivered):
        function(of_rule(100, BOB))
    function(of_rule(140, BOB))
    assert (webhook.got, site.outcomes) == ([], {BOB: "failed"})
    function(of_rule(100, BOB))
    assert (len(webhook.got), site.outcomes) == (1, {BOB: "delivered"})


def test_the_retry_queue_brings_the_same_event(function: Function, webhook: Server) -> None:
    webhook.statuses = [500]
    first = of_rule(100, BOB)
    with pytest.raises(Undelivered):
        function(first)
    record = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": first}
    function({"Records": [{"eventSource": "aws:sqs", "body": json.dumps(record)}]})
    assert len(webhook.got) == 1


def test_each_event_delivers_to_the_recipients_that_it_alone_has(
    function: Function, site: Site, webhook: Server, unmarked: None
) -> None:
    site.set_route("alice@other.shop.com", endpoint("alices", url=f"{webhook.url}/alice", payload="standard"))
    function(of_rule(100, BOB))
    function(of_rule(140, BOB, "alice@other.shop.com"))
    assert [
        (path, body["data"]["recipients"]) for (path, *_), body in zip(webhook.got, webhook.bodies, strict=True)
    ] == [
        ("/mail", [BOB]),
        ("/alice", ["alice@other.shop.com"]),
    ]


def test_a_name_that_nobody_shares_is_not_claimed(function: Function, site: Site, unmarked: None) -> None:
    site.routes[BOB]["sharedName"] = False
    function(of_rule(100, BOB))
    keys = function.client("s3").list_objects_v2(Bucket="inbound-mail", Prefix=".inbound-admin/claimed/")
    assert keys["KeyCount"] == 0


def test_a_message_that_a_person_requests_again_is_delivered(function: Function, webhook: Server) -> None:
    function(of_rule(100, BOB))
    asked = {"messageId": MESSAGE, "recipients": [BOB], "receivedAt": "2026-01-01T12:00:00Z", "isAgain": True}
    function({"inboundAdmin": {"deliver": asked}})
    assert len(webhook.got) == 2


def test_an_unknown_claim_is_retried(
    function: Function, site: Site, webhook: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "slow down"}}, "PutObject")

    with monkeypatch.context() as patched:
        patched.setattr(Markers, "claim", refuse)
        with pytest.raises(Undelivered):
            function(of_rule(100, BOB))
    assert (webhook.got, site.outcomes) == ([], {BOB: "failed"})
    function(of_rule(100, BOB))
    assert len(webhook.got) == 1


def test_every_lookup_says_that_the_function_claims_messages(function: Function, site: Site) -> None:
    function(of_rule(100, BOB))
    assert [headers["X-Inbound-Admin-Claims"] for _, headers, _ in site.got] == ["1"] * len(site.got)
