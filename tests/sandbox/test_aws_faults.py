"""Faults on demand, the throttle, and the call log, on which the product's fault tests are based."""

from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from sandbox.aws.faults import ProcessCut
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.sandbox.conftest import Aws, refusal


def _exists(fake_aws: Aws, name: str = "example.com") -> bool:
    return name in fake_aws.ses.list_identities()["Identities"]


def test_a_throttled_call_is_not_applied(fake_aws: Aws) -> None:
    WORLD.faults.add("throttle", times=2)
    assert refusal(fake_aws.ses.verify_domain_identity, Domain="example.com")[::2] == ("Throttling", 400)
    refused = refusal(fake_aws.sesv2.create_email_identity, EmailIdentity="example.com")
    assert refused[::2] == ("TooManyRequestsException", 429)
    assert not _exists(fake_aws)


def test_a_call_with_a_server_error_is_not_applied(fake_aws: Aws) -> None:
    WORLD.faults.add("error", times=2)
    assert refusal(fake_aws.ses.verify_domain_identity, Domain="example.com")[::2] == ("InternalFailure", 500)
    refused = refusal(fake_aws.sesv2.create_email_identity, EmailIdentity="example.com")
    assert refused[::2] == ("InternalServiceErrorException", 500)
    assert not _exists(fake_aws)


@pytest.mark.parametrize(("kind", "applied"), [("cut_before", False), ("cut_after", True)])
def test_a_cut_connection_does_not_reveal_whether_the_call_was_applied(fake_aws: Aws, kind: Any, applied: bool) -> None:
    WORLD.faults.add(kind)
    with pytest.raises(ConnectionClosedError):
        fake_aws.sesv2.create_email_identity(EmailIdentity="example.com")
    assert _exists(fake_aws) is applied


def test_botocores_retry_finds_the_identity_of_its_lost_call(fake_aws: Aws) -> None:
    WORLD.faults.add("cut_after", "CreateEmailIdentity")
    retrying = fake_aws.client("sesv2", attempts=3)
    assert refusal(retrying.create_email_identity, EmailIdentity="example.com")[0] == "AlreadyExistsException"


def test_the_process_dies_after_its_call_was_applied(fake_aws: Aws) -> None:
    WORLD.faults.add("exit_after", "sesv2:CreateEmailIdentity")
    with pytest.raises(ProcessCut):
        fake_aws.sesv2.create_email_identity(EmailIdentity="example.com")
    assert _exists(fake_aws)


def test_a_slow_call_times_out_and_is_applied(local: Sandbox, over_http: Aws) -> None:
    local.control.add_fault("slow", seconds=5.5)
    with pytest.raises(ReadTimeoutError):
        over_http.ses.verify_domain_identity(Domain="example.com")
    assert _exists(over_http)


def test_a_fault_waits_for_its_call(fake_aws: Aws) -> None:
    WORLD.faults.add("error", "VerifyDomainIdentity", nth=2, times=2)
    verify = fake_aws.ses.verify_domain_identity
    verify(Domain="example.com")
    fake_aws.ses.list_identities()
    refusal(verify, Domain="example.com")
    refusal(verify, Domain="example.com")
    verify(Domain="example.com")
    assert WORLD.faults.all() == ()


def test_a_permanent_fault_ends_when_removed(local: Sandbox, over_http: Aws) -> None:
    fault = local.control.add_fault("error", "ses:*", times=None)
    for _ in range(3):
        refusal(over_http.ses.list_identities)
    over_http.sesv2.list_tenants()
    local.control.remove_fault(fault.id)
    over_http.ses.list_identities()


def test_an_unknown_fault_is_refused(local: Sandbox) -> None:
    with pytest.raises(ValueError, match="Unknown fault"):
        local.control.add_fault("gremlins")  # type: ignore[arg-type]  # invalid on purpose
    with pytest.raises(ValueError, match="must be at least 1"):
        local.control.add_fault("slow", nth=0)


def test_calls_are_counted_and_writes_listed(fake_aws: Aws) -> None:
    fake_aws.ses.verify_domain_identity(Domain="example.com")
    fake_aws.sesv2.get_email_identity(EmailIdentity="example.com")
    refusal(fake_aws.sesv2.create_email_identity, EmailIdentity="example.com")
    counts = {"VerifyDomainIdentity": 1, "GetEmailIdentity": 1, "CreateEmailIdentity": 1}
    assert dict(WORLD.calls.counts) == counts
    writes = [(one.service, one.operation, one.subject, one.outcome) for one in WORLD.calls.last(9, writes_only=True)]
    assert writes == [
        ("ses", "VerifyDomainIdentity", "example.com", "ok"),
        ("sesv2", "CreateEmailIdentity", "example.com", "AlreadyExistsException"),
    ]
    assert [one.number for one in WORLD.calls.last(2)] == [2, 3]


def test_a_cut_call_is_logged_as_cut(local: Sandbox, over_http: Aws) -> None:
    local.control.add_fault("cut_before")
    local.control.add_fault("cut_after", nth=2)
    for _ in range(2):
        with pytest.raises(ConnectionClosedError):
            over_http.ses.list_identities()
    outcomes = [call.outcome for call in local.control.calls()]
    assert outcomes == ["cut before it was applied", "cut after it was applied"]


def test_the_throttle_admits_one_call_per_second_for_account_and_region(local: Sandbox, over_http: Aws) -> None:
    ses, sesv2 = over_http.ses, over_http.sesv2
    ses.list_identities()
    ses.list_identities()
    local.control.set_throttle(1.0)
    ses.list_identities()
    assert refusal(sesv2.list_tenants)[0] == "TooManyRequestsException"
    assert refusal(ses.list_identities)[0] == "Throttling"
    over_http.client("ses", "eu-west-1").list_identities()
    local.control.advance_clock(1)
    sesv2.list_tenants()
    local.control.set_throttle(None)
    ses.list_identities()
