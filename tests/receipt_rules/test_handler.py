"""The handler of docs/receiving.md, as it stands there, against the API and an endpoint on this machine."""

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.endpoints import EndpointType, Forwarding, ForwardingState
from tests.factories import make_customer
from tests.receipt_rules.making import make_address, make_endpoint, make_operator, make_verified

pytestmark = pytest.mark.django_db(transaction=True)
DOCS = Path(__file__).parents[2] / "docs" / "receiving.md"
Handler = Callable[[dict[str, Any], object], None]


class Webhook(ThreadingHTTPServer):
    """Keeps what it gets; while `broken`, it takes nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.got: list[dict[str, Any]] = []
        self.broken = False
        self.sends_on_to = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mail"


class _Taking(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:  # the standard library's name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.sends_on_to:
            self.send_response(302)
            self.send_header("Location", self.server.sends_on_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not self.server.broken:
            self.server.got.append(body | {"key": self.headers["Idempotency-Key"]})
        self.send_response(500 if self.server.broken else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:  # what a followed redirect would ask
        self.server.got.append({"recipients": ["followed"]})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def handler(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Handler:
    """What the one Python block of the page defines."""
    secret = create_api_key(user=make_operator(), name="handler", scopes=["route"], actor=None).secret
    monkeypatch.setenv("LOOKUP_URL", f"{live_server.url}/api/v2/route-lookup")
    monkeypatch.setenv("LOOKUP_KEY", secret)
    monkeypatch.setenv("DELIVERED_DIR", str(tmp_path))
    (block,) = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    defined: dict[str, Any] = {}
    exec(compile(block, str(DOCS), "exec"), defined)  # noqa: S102  # our own page is what is tried
    made: Handler = defined["handler"]
    made.again = defined["again"]  # type: ignore[attr-defined]
    return made


@pytest.fixture
def acme(webhook: Webhook) -> Customer:
    """billing@ goes to the books; everything else to the desk."""
    customer = make_customer("Acme")
    shop = make_verified("shop.com", customer=customer)
    books, desk = (make_endpoint(customer, name=name, config={"url": webhook.url}) for name in ("books", "desk"))
    make_address("billing@shop.com", shop, endpoint=books)
    CatchAll.objects.create(domain=shop, endpoint=desk)
    return customer


def event(*recipients: str, message: str = "o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1") -> dict[str, Any]:
    """As SES sends it to a function, of what the handler could read."""
    mail = {
        "timestamp": "2026-01-01T12:00:00.000Z",
        "source": "someone@else.example",
        "messageId": message,
        "destination": list(recipients),
        "commonHeaders": {"subject": "Hello", "to": list(recipients)},
    }
    action = {"type": "Lambda", "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f"}
    receipt = {
        "timestamp": "2026-01-01T12:00:00.000Z",
        "recipients": list(recipients),
        "spamVerdict": {"status": "PASS"},
        "virusVerdict": {"status": "PASS"},
        "action": action | {"invocationType": "Event"},
    }
    return {"Records": [{"eventSource": "aws:ses", "eventVersion": "1.0", "ses": {"mail": mail, "receipt": receipt}}]}


def delivered(webhook: Webhook) -> list[list[str]]:
    return sorted(each["recipients"] for each in webhook.got)


def test_the_same_event_twice_is_delivered_once(handler: Handler, webhook: Webhook, acme: Customer) -> None:
    brought = event("Billing@shop.com", "a@shop.com", "b@shop.com", "x@nobodys.example")
    handler(brought, None)
    handler(brought, None)
    assert delivered(webhook) == [["a@shop.com", "b@shop.com"], ["billing@shop.com"]]
    assert {each["messageId"] for each in webhook.got} == {"o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1"}
    assert len({each["key"] for each in webhook.got}) == 2
    handler(event("a@shop.com", message="another"), None)
    assert len(webhook.got) == 3


def test_two_rules_with_one_recipient_in_common_deliver_it_once(
    handler: Handler, webhook: Webhook, acme: Customer
) -> None:
    handler(event("a@shop.com"), None)
    handler(event("a@shop.com", "b@shop.com"), None)
    assert delivered(webhook) == [["a@shop.com"], ["b@shop.com"]]


def test_what_was_not_taken_is_brought_again(handler: Handler, webhook: Webhook, acme: Customer) -> None:
    webhook.broken = True
    with pytest.raises(RuntimeError, match="500"):
        handler(event("a@shop.com"), None)
    webhook.broken = False
    handler(event("a@shop.com"), None)
    assert delivered(webhook) == [["a@shop.com"]]


def test_what_it_cannot_deliver_fails_and_holds_nothing_else_back(
    handler: Handler, webhook: Webhook, acme: Customer
) -> None:
    shop = CatchAll.objects.get().domain
    forward = make_endpoint(acme, type=EndpointType.EMAIL, config={"address": "a@shop.com"})
    make_address("a@shop.com", shop, endpoint=forward)
    with pytest.raises(RuntimeError, match="does not deliver to email"):
        handler(event("a@shop.com", "b@shop.com"), None)
    assert delivered(webhook) == [["b@shop.com"]]


def test_without_an_answer_of_the_look_up_nothing_is_marked_as_delivered(
    handler: Handler, webhook: Webhook, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("LOOKUP_KEY", "ia_nobodys")
        with pytest.raises(OSError, match="401"):
            handler(event("a@shop.com"), None)
    handler(event("a@shop.com"), None)
    assert delivered(webhook) == [["a@shop.com"]]


def test_a_webhook_that_sends_us_on_gets_nothing_delivered_elsewhere(
    handler: Handler, webhook: Webhook, acme: Customer
) -> None:
    with Webhook() as elsewhere:
        thread = Thread(target=elsewhere.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        webhook.sends_on_to = elsewhere.url
        with pytest.raises(RuntimeError, match="302"):
            handler(event("billing@shop.com"), None)
        elsewhere.shutdown()
        thread.join()
        assert not elsewhere.got


def test_mail_from_before_a_confirmation_is_kept_and_delivered_after_it(
    handler: Any, webhook: Webhook, acme: Customer, tmp_path: Path
) -> None:
    shop = CatchAll.objects.get().domain
    forward = make_endpoint(acme, type=EndpointType.EMAIL, config={"address": "stranger@else.example"})
    address = make_address("sales@shop.com", shop, endpoint=forward)
    handler(event("sales@shop.com", "b@shop.com"), None)
    handler(event("sales@shop.com", "b@shop.com"), None)
    assert delivered(webhook) == [["b@shop.com"]]
    (kept,) = (tmp_path / "waiting").iterdir()
    handler.again({}, None)
    assert kept.exists()
    Forwarding.objects.create(customer=acme, address="stranger@else.example", state=ForwardingState.CONFIRMED)
    with pytest.raises(RuntimeError, match="does not deliver to email"):
        handler.again({}, None)
    assert kept.exists()  # what failed is tried again
    address.endpoint = make_endpoint(acme, name="sales", config={"url": webhook.url})
    address.save()
    handler.again({}, None)
    handler.again({}, None)
    assert delivered(webhook) == [["b@shop.com"], ["sales@shop.com"]]
    assert not kept.exists()
