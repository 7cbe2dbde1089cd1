"""The function with messages stored by SES: what it delivers once, retries and reports."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from receipt_rules.received_mail.core import redelivery_event
from receiving.handler import VIRUS, Undelivered
from receiving.markers import FOLDER
from tests.receiving.conftest import Function
from tests.receiving.servers import BUCKET, Server, Site

MESSAGE = "o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1"
RAW = (
    b"From: Ann Smith <ann@else.example>\r\nTo: Books <billing@shop.com>\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n"
    b"Message-ID: <1@else.example>\r\nDate: Thu, 1 Jan 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
    b'--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="bill.pdf"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b--\r\n"
)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def event(*recipients: str, message: str = MESSAGE, virus: str = "PASS") -> dict[str, Any]:
    """Return an event in the shape of the developer guide, with the fields that the function reads."""
    mail = {
        "timestamp": "2026-01-01T12:00:00.000Z",
        "source": "ann@else.example",
        "messageId": message,
        "destination": list(recipients),
    }
    receipt = {
        "timestamp": "2026-01-01T12:00:00.000Z",
        "recipients": list(recipients),
        "spamVerdict": {"status": "PASS"},
        "virusVerdict": {"status": virus},
        "action": {"type": "Lambda", "functionArn": "arn:aws:lambda:eu-west-1:1:function:f", "invocationType": "Event"},
    }
    return {"Records": [{"eventSource": "aws:ses", "eventVersion": "1.0", "ses": {"mail": mail, "receipt": receipt}}]}


def endpoint(name: str, kind: str = "webhook", **config: Any) -> dict[str, Any]:
    return {"id": f"ep_{name}", "name": name, "type": kind, "isActive": True, "config": config}


@pytest.fixture
def books(site: Site, webhook: Server, function: Function) -> dict[str, Any]:
    """Route billing@ and bills@ to a signed webhook with the standard payload, and store the message."""
    found = endpoint("books", url=f"{webhook.url}/mail", payload="standard", signing_secret=SECRET)
    site.set_route("billing@shop.com", found)
    site.set_route("bills@shop.com", found)
    function.store(MESSAGE, RAW)
    return found


def test_one_signed_request_contains_all_recipients_of_an_endpoint(
    function: Function, site: Site, webhook: Server, books: dict[str, Any]
) -> None:
    function(event("Billing@shop.com", "bills@shop.com", "x@nobodys.example"))
    ((path, headers, body),) = webhook.got
    payload = Webhook(SECRET).verify(body, headers)
    assert path == "/mail"
    assert payload["data"]["recipients"] == ["billing@shop.com", "bills@shop.com"]
    assert (payload["data"]["subject"], payload["data"]["text"].strip()) == ("Café", "Hello")
    assert payload["data"]["attachments"][0]["filename"] == "bill.pdf"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)
    assert site.lookups == [["billing@shop.com", "bills@shop.com", "x@nobodys.example"]]
    assert site.outcomes == {
        "billing@shop.com": "delivered",
        "bills@shop.com": "delivered",
        "x@nobodys.example": "unrouted",
    }
    assert "Hello" not in json.dumps(site.reports)
    assert "Café" not in json.dumps(site.reports)


def test_links_lead_to_the_message_and_to_each_attachment(
    function: Function, webhook: Server, books: dict[str, Any]
) -> None:
    function(event("billing@shop.com"))
    data = webhook.bodies[0]["data"]
    keys = [url.partition("?")[0].partition(f"/{BUCKET}/")[2] for url in (data["downloadUrl"], _attached(data))]
    read = [function.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    assert read == [RAW, b"%PDF"]


def _attached(data: dict[str, Any]) -> str:
    return str(data["attachments"][0]["downloadUrl"])


def test_the_older_payload_is_sent_once_for_each_recipient(function: Function, site: Site, webhook: Server) -> None:
    config: dict[str, Any] = {
        "url": webhook.url,
        "verification_token": "t0ken",
        "headers": {"X-Own": "1", "X-Endpoint-ID": "ep_other"},
    }
    site.set_route("billing@shop.com", endpoint("old", **config))
    site.set_route("bills@shop.com", endpoint("old", **config))
    function.store(MESSAGE, RAW)
    function(event("billing@shop.com", "bills@shop.com"))
    assert [body["email"]["recipient"] for body in webhook.bodies] == ["billing@shop.com", "bills@shop.com"]
    first = webhook.bodies[0]
    assert (first["event"], first["endpoint"]) == ("email.received", {"id": "ep_old", "name": "old", "type": "webhook"})
    assert first["email"]["from"] == {
        "text": "Ann Smith <ann@else.example>",
        "addresses": [{"name": "Ann Smith", "address": "ann@else.example"}],
    }
    assert first["email"]["parsedData"]["attachments"][0]["size"] == 4
    assert first["email"]["cleanedContent"]["hasText"] is True
    headers = webhook.got[0][1]
    assert (headers["X-Webhook-Verification-Token"], headers["X-Endpoint-ID"]) == ("t0ken", "ep_old")
    assert headers["X-Own"] == "1"


def test_a_repeated_event_is_delivered_once(function: Function, webhook: Server, books: dict[str, Any]) -> None:
    function(event("billing@shop.com"))
    function(event("billing@shop.com", "bills@shop.com"))
    assert [body["data"]["recipients"] for body in webhook.bodies] == [["billing@shop.com"], ["bills@shop.com"]]


def test_a_failing_endpoint_is_retried_and_delays_no_other(
    function: Function, site: Site, webhook: Server, books: dict[str, Any]
) -> None:
    down = endpoint("down", url="http://127.0.0.1:9/")
    site.set_route("down@shop.com", down)
    webhook.statuses = [500, 302]
    webhook.location = f"{webhook.url}/elsewhere"
    for answered in ("500", "302"):
        with pytest.raises(Undelivered, match=f"answered {answered}"):
            function(event("down@shop.com", "billing@shop.com"))
    assert (webhook.got, site.outcomes["billing@shop.com"]) == ([], "failed")
    with pytest.raises(Undelivered, match="ep_down"):
        function(event("down@shop.com", "billing@shop.com"))
    assert len(webhook.got) == 1
    assert site.outcomes == {"down@shop.com": "failed", "billing@shop.com": "delivered"}
    assert function.client("s3").get_object(Bucket=BUCKET, Key=MESSAGE)["Body"].read() == RAW


def test_a_failed_route_lookup_delivers_and_marks_nothing(
    function: Function, site: Site, webhook: Server, books: dict[str, Any]
) -> None:
    site.statuses = [503]
    with pytest.raises(Undelivered, match="503"):
        function(event("billing@shop.com"))
    assert (webhook.got, site.reports) == ([], [])
    with pytest.raises(Undelivered, match="didn't respond"):
        function.changed(site_url="http://127.0.0.1:9")(event("billing@shop.com"))
    function(event("billing@shop.com"))
    assert len(webhook.got) == 1


def test_a_failed_report_is_repeated_without_a_second_delivery(
    function: Function, site: Site, webhook: Server, books: dict[str, Any]
) -> None:
    site.statuses = [200, 503]
    with pytest.raises(Undelivered, match="deliveries"):
        function(event("billing@shop.com"))
    function(event("billing@shop.com"))
    assert (len(webhook.got), site.outcomes) == (1, {"billing@shop.com": "delivered"})


def test_without_permission_to_list_the_bucket_nothing_is_delivered(
    function: Function, site: Site, webhook: Server, books: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "GetObject")

    def refuse(**_: Any) -> None:
        raise denied

    monkeypatch.setattr(function.client("s3"), "get_object", refuse)
    with pytest.raises(Undelivered, match="Forbidden"):
        function(event("billing@shop.com"))
    assert webhook.got == []
    (reported,) = site.reports
    assert (reported["endpointId"], reported["problem"]) == (None, "The stored message couldn't be read.")
    assert "Forbidden" in reported["storageProblem"], "operators read what AWS says, and the endpoint isn't blamed"


def test_a_message_with_a_virus_is_held(function: Function, site: Site, webhook: Server, books: dict[str, Any]) -> None:
    function(event("billing@shop.com", virus="FAIL"))
    assert (webhook.got, site.outcomes) == ([], {"billing@shop.com": "held"})
    function.changed(delivers_viruses=True)(event("billing@shop.com", virus="FAIL"))
    assert len(webhook.got) == 1


@pytest.mark.parametrize("awaits", [False, True])
def test_a_message_with_a_virus_is_held_also_without_an_endpoint(function: Function, site: Site, awaits: bool) -> None:
    site.set_route("billing@shop.com", None)
    site.routes["billing@shop.com"]["awaitsConfirmation"] = awaits
    function(event("billing@shop.com", virus="FAIL"))
    assert [(each["outcome"], each["problem"]) for each in site.reports] == [("held", VIRUS)]
    asked = redelivery_event(
        MESSAGE, ["billing@shop.com"], timezone.now(), request="r", problem=site.reports[0]["problem"]
    )
    site.set_route("billing@shop.com", endpoint("books", url="https://a.example/"))
    function(asked)
    assert [(each["outcome"], each["problem"]) for each in site.reports[1:]] == [("held", VIRUS)]


def test_a_missing_message_fails_and_is_reported(
    function: Function, site: Site, webhook: Server, books: dict[str, Any]
) -> None:
    with pytest.raises(Undelivered, match="isn't in the bucket"):
        function(event("billing@shop.com", message="another"))
    assert (webhook.got, site.outcomes) == ([], {"billing@shop.com": "failed"})
    (reported,) = site.reports
    assert (reported["endpointId"], "isn't in the bucket" in reported["storageProblem"]) == (None, True)


def test_a_deleted_message_that_a_person_requests_again_is_no_problem_of_the_storage(
    function: Function, site: Site, books: dict[str, Any]
) -> None:
    wanted = {"messageId": "another", "recipients": ["billing@shop.com"], "receivedAt": "2026-01-02T03:04:05+00:00"}
    with pytest.raises(Undelivered, match="isn't in the bucket"):
        function({"inboundAdmin": {"deliver": wanted}})
    (reported,) = site.reports
    assert (reported["outcome"], reported["problem"]) == ("failed", "The stored message couldn't be read.")
    assert "storageProblem" not in reported


def test_mail_waiting_for_a_confirmation_is_delivered_after_it(
    function: Function, site: Site, webhook: Server, books: dict[str, Any]
) -> None:
    site.set_route("sales@shop.com", None, waits=True)
    function(event("sales@shop.com"))
    function({"inboundAdmin": {"lookAgain": True}})
    assert (webhook.got, site.outcomes) == ([], {"sales@shop.com": "waiting"})
    site.set_route("sales@shop.com", books)
    function({"inboundAdmin": {"lookAgain": True}})
    function({"inboundAdmin": {"lookAgain": True}})
    assert (len(webhook.got), site.outcomes) == (1, {"sales@shop.com": "delivered"})
    left = function.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{FOLDER}waiting/")
    assert left["KeyCount"] == 0


def test_a_waiting_message_keeps_its_first_note_which_expires_with_it(
    function: Function, site: Site, books: dict[str, Any]
) -> None:
    site.set_route("sales@shop.com", None, waits=True)
    function(event("sales@shop.com"))
    s3 = function.client("s3")
    (note,) = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{FOLDER}waiting/")["Contents"]
    s3.put_object(
        Bucket=BUCKET, Key=note["Key"], Body=s3.get_object(Bucket=BUCKET, Key=note["Key"])["Body"].read() + b" "
    )
    function({"inboundAdmin": {"lookAgain": True}})
    assert s3.get_object(Bucket=BUCKET, Key=note["Key"])["Body"].read().endswith(b" "), "it isn't written again"


@pytest.mark.parametrize("note", [b"", b"[]", b'{"message_id": "x"}', b'{"recipients": [], "stored": null, "news": 1}'])
def test_a_note_that_cannot_be_read_delays_no_other(
    function: Function, site: Site, webhook: Server, books: dict[str, Any], note: bytes
) -> None:
    site.set_route("sales@shop.com", None, waits=True)
    function(event("sales@shop.com"))
    function.client("s3").put_object(Bucket=BUCKET, Key=f"{FOLDER}waiting/0", Body=note)
    site.set_route("sales@shop.com", books)
    function({"inboundAdmin": {"lookAgain": True}})
    assert (len(webhook.got), site.outcomes) == (1, {"sales@shop.com": "delivered"})


def test_deliver_again_sends_a_delivered_message_with_the_same_id(
    function: Function, webhook: Server, books: dict[str, Any]
) -> None:
    function(event("billing@shop.com"))
    asked = {"messageId": MESSAGE, "recipients": ["billing@shop.com"], "receivedAt": "2026-01-01T12:00:00Z"}
    function({"inboundAdmin": {"deliver": asked}})
    first, second = (headers["webhook-id"] for _, headers, _ in webhook.got)
    assert first == second


def test_a_webhook_in_a_private_network_gets_nothing(
    function: Function, webhook: Server, books: dict[str, Any]
) -> None:
    with pytest.raises(Undelivered, match="isn't a public address"):
        function.changed(may_be_private=False)(event("billing@shop.com"))
    assert webhook.got == []


def test_forty_megabytes_are_delivered_as_a_link(
    function: Function, site: Site, webhook: Server, books: dict[str, Any]
) -> None:
    raw = b"Subject: Big\r\n\r\n" + b"x" * 78 + b"\r\n"
    raw += (b"y" * 76 + b"\r\n") * ((40_000_000 - len(raw)) // 78)
    function.store("big", raw)
    function(event("billing@shop.com", message="big"))
    data = webhook.bodies[0]["data"]
    assert (data["bytes"], data["isCut"]) == (len(raw), True)
    assert len(webhook.got[0][2]) < 2_000_000
    assert site.reports[0]["bytes"] == len(raw)
