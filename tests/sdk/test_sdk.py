"""The published client of the system before this one works unchanged, over the wire, with a real worker behind it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer
from domains.models.domains import Domain
from sandbox.process import Sandbox
from tests.browser.worker import running_worker
from tests.domains.making import make_zone, publish, turn_identity
from tests.factories import make_member
from tests.receipt_rules.making import make_verified, set_up_receiving

pytestmark = pytest.mark.django_db(transaction=True)
SDK = "@inboundemail/sdk@4.4.0"
Call = Callable[..., Any]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client from npm. Without npm, or where npm cannot have it, the test is skipped; in CI that is a failure."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return _without("npm and node are not installed here")
    place = tmp_path_factory.mktemp("sdk")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(place), SDK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        return _without(f"npm could not install {SDK}: {done.stderr[-300:]}")
    shutil.copy(Path(__file__).with_name("drive.mjs"), place)
    return place


def _without(why: str) -> Path:
    if os.environ.get("CI") == "true":
        pytest.fail(f"The published client could not be tried: {why}.")
    pytest.skip(f"The published client was not tried: {why}.")


@pytest.fixture
def call(installed: Path, live_server: LiveServer, sandbox: Sandbox, settings: Settings) -> Iterator[Call]:
    """Calls the client's method of this name with these arguments, and gives its `data`, or else its `error`."""
    settings.API_WAIT_SECONDS = 30  # the worker begins on a machine that is busy with other tests
    secret = create_api_key(user=make_member(), name="sdk", scopes=["read", "write"], actor=None).secret

    def called(name: str, *given: Any) -> Any:
        address = f"{live_server.url}/api/v2"
        command = ["node", str(installed / "drive.mjs"), secret, address, json.dumps([[name, given]])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        (answer,) = json.loads(done.stdout)
        return answer.get("data", answer.get("error"))

    with running_worker(sandbox):
        yield called


def test_a_domain_from_its_creation_to_its_end(call: Call, sandbox: Sandbox) -> None:
    made = call("domain.create", {"domain": "shop.com"})
    assert (made["domain"], made["status"]) == ("shop.com", "pending")
    assert [record["type"] for record in made["dnsRecords"]].count("CNAME") == 3
    domain = Domain.objects.get(pk=made["id"])
    assert call("domain.create", {"domain": "shop.com"}) == "shop.com is in your list already."
    assert call("domain.verify", domain.pk)["dkimEnabled"] is True
    listed = call("domain.getDnsRecords", domain.pk)["records"]
    assert len(listed) >= 7
    set_up_receiving()
    waiting = call("email.address.create", {"address": "a@shop.com", "domainId": domain.pk})
    assert "not live" in waiting["warning"]
    make_zone(sandbox, domain)
    publish(sandbox, domain)
    (mx,) = (record for record in listed if (record["recordType"], record["name"]) == ("MX", "shop.com"))
    sandbox.control.add_record("shop.com", "shop.com", "MX", mx["value"])
    turn_identity("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    Domain.objects.update(last_dns_check=None)
    assert call("domain.checkStatus", domain.pk)["overallStatus"] == "verified"
    assert comes_within(30, lambda: call("domain.get", domain.pk)["canReceiveEmails"]), "its address became live"
    listed = call("domain.list", {"limit": 10, "status": "verified", "check": "true"})
    assert (listed["pagination"]["total"], listed["meta"]["verifiedCount"]) == (1, 1)
    catch = call("domain.update", domain.pk, {"isCatchAllEnabled": True, "catchAllEndpointId": None})
    assert catch["isCatchAllEnabled"] is True
    gone = call("domain.delete", domain.pk)["deletedResources"]
    assert (gone["domain"], gone["sesIdentity"]) == ("shop.com", False), "said before the worker has done it"
    gone_too = comes_within(30, lambda: not call("domain.list")["data"])
    assert gone_too, "the worker deletes the identity once no receipt rule names the domain"


def comes_within(seconds: int, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


def test_an_address_and_its_endpoint(call: Call) -> None:
    customer = Customer.objects.get()
    domain = make_verified("shop.com", customer=customer)
    webhook = {"url": "https://127.0.0.1/in", "timeout": 30, "retryAttempts": 3}
    desk = call("endpoint.create", {"name": "desk", "type": "webhook", "config": webhook})
    assert desk["config"] == webhook
    made = call("email.address.create", {"address": "a@shop.com", "domainId": domain.pk, "endpointId": desk["id"]})
    assert (made["address"], made["routing"]["type"]) == ("a@shop.com", "endpoint")
    assert call("email.address.list", {"domainId": domain.pk, "isActive": "true"})["pagination"]["total"] == 1
    assert call("email.address.get", made["id"])["routing"]["name"] == "desk"
    assert call("email.address.update", made["id"], {"isActive": False})["isActive"] is False
    assert call("endpoint.get", desk["id"])["associatedEmails"][0]["address"] == "a@shop.com"
    assert call("endpoint.update", desk["id"], {"name": "the desk", "description": "new"})["name"] == "the desk"
    assert call("endpoint.list", {"type": "webhook", "active": "true"})["data"][0]["name"] == "the desk"
    assert call("endpoint.test", desk["id"])["success"] is False  # it is a private address
    assert call("endpoint.delete", desk["id"])["cleanup"]["emailAddressesUpdated"] == 1
    assert call("email.address.delete", made["id"])["cleanup"]["emailAddress"] == "a@shop.com"
    assert call("email.address.get", made["id"]) == "There is nothing here."


def test_the_conveniences(call: Call) -> None:
    both = call("setupDomain", "shop.com", "https://hooks.example/in")
    assert (both["domain"]["domain"], both["endpoint"]["type"]) == ("shop.com", "webhook")
    assert both["endpoint"]["config"]["timeout"] == 30000
    forwarder = call("createForwarder", "a@shop.com", "me@home.example")
    assert (forwarder["type"], forwarder["config"]["email"]) == ("email", "me@home.example")
