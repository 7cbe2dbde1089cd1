"""What was delivered stays delivered, whatever changes before another attempt, and a request is carried out once."""

import hashlib
import json
import socket
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from receiving import http_post
from receiving import site as site_calls
from receiving.deployment import Deployment, client_of
from receiving.handler import TO_REPORT, Receiver, Undelivered
from receiving.markers import FOLDER
from tests.receiving.conftest import Function
from tests.receiving.servers import BUCKET, Server, Site
from tests.receiving.test_handler import MESSAGE, RAW, endpoint, event

ALICE, BOB = "billing@alice.com", "help@bob.com"


@pytest.fixture
def tried(site: Site, webhook: Server, function: Function) -> Function:
    """A message to Alice, whose endpoint accepted it, and to Bob, whose endpoint is down: the event is retried."""
    site.set_route(ALICE, endpoint("first", url=f"{webhook.url}/first"))
    site.set_route(BOB, endpoint("down", url="http://127.0.0.1:9/"))
    function.store(MESSAGE, RAW)
    with pytest.raises(Undelivered, match="ep_down"):
        function(event(ALICE, BOB))
    return function


def _of_alice(site: Site) -> tuple[str, str | None]:
    """Return outcome and endpoint of the last report."""
    last = [each for each in site.reports if each["recipients"] == [ALICE]][-1]
    return last["outcome"], last["endpointId"]


@pytest.mark.parametrize("changed", ["endpoint", "off", "unconfirmed"])
def test_a_delivered_message_stays_so_when_its_recipient_changes_the_endpoint(
    tried: Function, site: Site, webhook: Server, changed: str
) -> None:
    new = endpoint("second", url=f"{webhook.url}/second") if changed == "endpoint" else None
    site.set_route(ALICE, new, waits=changed == "unconfirmed")
    with pytest.raises(Undelivered, match="ep_down"):
        tried(event(ALICE, BOB))
    assert ([path for path, _, _ in webhook.got], _of_alice(site)) == (["/first"], ("delivered", "ep_first"))


def test_what_an_older_function_marked_is_not_delivered_again(function: Function, site: Site, webhook: Server) -> None:
    site.set_route(ALICE, endpoint("first", url=webhook.url))
    name = hashlib.sha256(json.dumps([MESSAGE, ALICE, "ep_first"]).encode()).hexdigest()
    function.client("s3").put_object(Bucket=BUCKET, Key=f"{FOLDER}delivered/{name[:2]}/{name}", Body=b"")
    function(event(ALICE))
    assert (webhook.got, _of_alice(site)) == ([], ("delivered", "ep_first"))


def test_what_is_delivered_has_the_mark_that_an_older_function_looks_for(
    function: Function, site: Site, webhook: Server
) -> None:
    """A retry may come to the older one while the function is updated, or after it was set back."""
    site.set_route(ALICE, endpoint("first", url=webhook.url))
    function.store(MESSAGE, RAW)
    function(event(ALICE))
    name = hashlib.sha256(json.dumps([MESSAGE, ALICE, "ep_first"]).encode()).hexdigest()
    assert function.client("s3").head_object(Bucket=BUCKET, Key=f"{FOLDER}delivered/{name[:2]}/{name}")


@pytest.mark.parametrize(("requests", "times"), [(["r1", "r1"], 2), (["r1", "r2"], 3), ([None, None], 3)])
def test_a_redelivery_whose_report_fails_is_not_sent_at_each_retry(
    function: Function, site: Site, webhook: Server, requests: list[str | None], times: int
) -> None:
    site.set_route(ALICE, endpoint("first", url=webhook.url))
    function.store(MESSAGE, RAW)
    function(event(ALICE))
    for request in requests:
        wanted = {"messageId": MESSAGE, "recipients": [ALICE], "receivedAt": "2026-01-01T12:00:00Z"}
        site.statuses = [200, 503]
        with pytest.raises(Undelivered, match="503"):
            function({"inboundAdmin": {"deliver": wanted | ({"request": request} if request else {})}})
    assert len(webhook.got) == times


def test_a_redelivery_is_delivered_to_the_endpoint_of_now(tried: Function, site: Site, webhook: Server) -> None:
    site.set_route(ALICE, endpoint("second", url=f"{webhook.url}/second"))
    wanted = {"messageId": MESSAGE, "recipients": [ALICE], "receivedAt": "2026-01-01T12:00:00Z", "request": "r1"}
    for _ in range(2):
        tried({"inboundAdmin": {"deliver": wanted}})
    assert ([path for path, _, _ in webhook.got], _of_alice(site)) == (
        ["/first", "/second"],
        ("delivered", "ep_second"),
    )


def test_no_failure_hides_a_virus(function: Function, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.set_route(ALICE, endpoint("first", url="https://a.example/"))

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "slow down"}}, "GetObject")

    monkeypatch.setattr(function.client("s3"), "get_object", refuse)
    function(event(ALICE, virus="FAIL"))
    assert _of_alice(site) == ("held", "ep_first")


def test_all_waiting_mail_is_checked_in_the_end_if_one_check_has_no_time_for_it(function: Function, site: Site) -> None:
    names = ("a1@alice.com", "a2@alice.com")
    for name in names:
        site.set_route(name, None, waits=True)
    function(event(*names))
    site.lookups.clear()
    for _ in range(20):
        left = iter([100.0, 1.0])
        Receiver(function.deployment, function.client, lambda left=left: next(left)).handle(  # type: ignore[misc]  # mypy infers no type for the default
            {"inboundAdmin": {"lookAgain": True}}
        )
    assert len(site.lookups) == 20
    assert {name for (name,) in site.lookups} == set(names)


def test_a_report_of_very_many_recipients_is_divided(
    function: Function, site: Site, webhook: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a1@alice.com", "a2@alice.com", "a3@alice.com")
    for name in names:
        site.set_route(name, endpoint("first", url=webhook.url, payload="standard"))
    function.store(MESSAGE, RAW)
    monkeypatch.setattr(site_calls, "MOST_RECIPIENTS", 2)
    function(event(*names))
    assert [each["recipients"] for each in site.reports] == [["a1@alice.com", "a2@alice.com"], ["a3@alice.com"]]
    assert len(webhook.got) == 1


def test_the_time_of_a_request_includes_the_lookup_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    right = socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        time.sleep(0.3)
        return right(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it accepts nothing, so nobody answers
        begun = time.monotonic()
        with pytest.raises(http_post.TimedOut):
            http_post.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"", {}, seconds=0.5, may_be_private=True)
        assert time.monotonic() - begun < 0.7


def test_a_call_to_aws_ends_while_there_is_time_to_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config = client_of("ses").meta.config
    assert config.connect_timeout + config.read_timeout <= Deployment("", "", "").webhook_seconds
    assert config.connect_timeout + config.read_timeout <= TO_REPORT
    assert config.retries["total_max_attempts"] == 1, "what SES didn't answer may have been sent"


def test_a_bucket_that_cannot_be_read_hides_no_other_place_of_the_message(
    function: Function, site: Site, webhook: Server
) -> None:
    site.set_route(ALICE, endpoint("first", url=webhook.url))
    site.routes[ALICE]["stores"] = [{"bucket": "theirs", "prefix": ""}, {"bucket": BUCKET, "prefix": "old/"}]
    with pytest.raises(Undelivered, match="NoSuchBucket"):
        function(event(ALICE))
    function.store(f"old/{MESSAGE}", RAW)
    function(event(ALICE))
    assert (len(webhook.got), _of_alice(site)) == (1, ("delivered", "ep_first"))
