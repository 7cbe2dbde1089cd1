"""The control API: the same methods in process and over HTTP."""

import inspect
from datetime import timedelta

import pytest

from sandbox.client import ControlClient, SandboxError, SandboxUnreachable
from sandbox.control import Control
from sandbox.control_wire import METHODS
from sandbox.dns.mistake import WantedRecord
from sandbox.process import Sandbox
from tests.sandbox.conftest import Aws, refusal

ZONE = "example.com"


@pytest.fixture
def client(local: Sandbox) -> ControlClient:
    return ControlClient(local.aws_url)


def test_the_client_has_every_method_with_the_same_arguments() -> None:
    for name in METHODS:
        ours, theirs = getattr(Control, name), getattr(ControlClient, name)
        assert inspect.signature(ours) == inspect.signature(theirs), name


def test_faults_work_over_http(client: ControlClient, over_http: Aws) -> None:
    fault = client.add_fault("throttle", "ListTenants", nth=2, times=None)
    assert client.faults() == (fault,)
    over_http.sesv2.list_tenants()
    assert refusal(over_http.sesv2.list_tenants)[0] == "TooManyRequestsException"
    client.remove_fault(fault.id)
    client.clear_faults()
    assert client.faults() == ()


def test_calls_work_over_http(client: ControlClient, local: Sandbox, over_http: Aws) -> None:
    over_http.sesv2.create_tenant(TenantName="alice")
    over_http.sesv2.list_tenants()
    assert client.calls() == local.control.calls()
    assert [call.subject for call in client.write_calls()] == ["alice"]
    assert client.call_counts() == {"CreateTenant": 1, "ListTenants": 1}
    client.clear_calls()
    assert client.calls() == ()


def test_clock_throttle_and_limits_work_over_http(client: ControlClient) -> None:
    before = client.now()
    assert client.advance_clock(3600) - before >= timedelta(hours=1)
    client.set_throttle(2.0)
    assert client.throttle() == 2.0
    assert client.set_limits(rules=3)["rules"] == 3
    assert client.limits()["rules"] == 3
    client.reset()
    assert (client.throttle(), client.limits()["rules"]) == (None, 200)
    assert client.now() - before < timedelta(hours=1)


def test_zones_and_records_work_over_http(client: ControlClient, local: Sandbox) -> None:
    client.add_zone(ZONE, ["ns1.host.test", "ns2.host.test"])
    assert (client.list_zones(), client.zone_for(f"a.{ZONE}"), client.zone_for("example.net")) == ((ZONE,), ZONE, None)
    assert client.nameservers(ZONE) == ("ns1.host.test", "ns2.host.test")
    made = client.add_record(ZONE, f"a.{ZONE}", "TXT", "hello", ttl=60)
    changed = client.replace_record(ZONE, made.id, name=made.name, type="TXT", value="bye")
    assert (changed.id, changed.value) == (made.id, "bye")
    assert client.records(ZONE) == local.control.records(ZONE)
    client.remove_record(ZONE, made.id)
    assert made.id not in {record.id for record in client.records(ZONE)}
    client.set_dns_fault(ZONE, "servfail", "ns1.host.test")
    assert client.dns_faults() == local.control.dns_faults() != ()
    client.clear_dns_faults()
    assert client.dns_faults() == ()
    client.remove_zone(ZONE)
    assert client.list_zones() == ()


def test_mistakes_are_made_and_fixed_over_http(client: ControlClient) -> None:
    client.add_zone(ZONE)
    wanted = WantedRecord("txt", "TXT", f"_amazonses.{ZONE}", "token=")
    right = client.publish(ZONE, wanted)
    made = client.make_mistake(ZONE, wanted, "zone.servfail")
    assert (made, client.dns_faults()[0].fault) == ((), "servfail")
    assert [record.value for record in client.publish_missing(ZONE, [wanted])] == [right.value]
    assert client.dns_faults() == ()


def test_tenants_and_the_account_are_changed_over_http(client: ControlClient, over_http: Aws) -> None:
    sesv2 = over_http.sesv2
    sesv2.create_tenant(TenantName="alice")
    client.set_finding("alice", "BOUNCE")
    client.set_rates("alice", complaint=0.2)
    assert len(sesv2.list_recommendations()["Recommendations"]) == 2
    client.suspend_tenant("alice")
    assert sesv2.get_tenant(TenantName="alice")["Tenant"]["SendingStatus"] == "DISABLED"
    client.release_tenant("alice")
    assert sesv2.get_tenant(TenantName="alice")["Tenant"]["SendingStatus"] == "ENABLED"
    client.set_account("us-east-1", enforcement="PROBATION", production_access=False)
    account = sesv2.get_account()
    assert (account["EnforcementStatus"], account["ProductionAccessEnabled"]) == ("PROBATION", False)


def test_verification_runs_over_http(client: ControlClient, over_http: Aws) -> None:
    token = over_http.ses.verify_domain_identity(Domain=ZONE)["VerificationToken"]
    client.add_zone(ZONE)
    client.add_record(ZONE, f"_amazonses.{ZONE}", "TXT", token)
    assert client.tick().changes == ("example.com identity: Pending -> Success",)


def test_a_refusal_says_why(client: ControlClient) -> None:
    with pytest.raises(SandboxError, match="No tenant nobody"):
        client.suspend_tenant("nobody")
    with pytest.raises(SandboxError, match="Unknown limit: speed"):
        client.set_limits(speed=1)
    with pytest.raises(SandboxError, match="must allow more than 0"):
        client.set_throttle(0)
    with pytest.raises(SandboxError, match="Unknown control API method: _answer"):
        client._call("_answer")


def test_a_stopped_sandbox_is_unreachable(local: Sandbox) -> None:
    with Sandbox() as other:
        address = other.aws_url
    with pytest.raises(SandboxUnreachable, match=address):
        ControlClient(address, timeout=1).now()


def test_a_reset_keeps_the_initial_resources(client: ControlClient, over_http: Aws) -> None:
    over_http.ses.verify_domain_identity(Domain=ZONE)
    client.add_zone(ZONE)
    client.add_fault("error", times=None)
    client.reset()
    assert over_http.ses.list_identities()["Identities"] == []
    assert client.list_zones() == ()
    assert [one["Name"] for one in over_http.client("s3").list_buckets()["Buckets"]] == ["inbound-mail"]
