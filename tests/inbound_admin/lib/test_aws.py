"""The only access to AWS: each failure of a call is one of our errors, and no call is made inside a transaction."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from django.db import transaction
from pytest_django import Settings

from inbound_admin.lib import aws, aws_rate_limit
from inbound_admin.lib.errors import AwsBusy, AwsConflict, AwsDenied, AwsMissing, AwsProblem, AwsUnreachable
from sandbox.process import Sandbox
from sandbox.values import FaultKind

# Code, HTTP status and our error: codes of SES v1 (without "Exception") and v2, and those of every AWS service.
V1: list[tuple[str, int, type[AwsProblem]]] = [
    ("AlreadyExists", 400, AwsConflict),
    ("CannotDelete", 400, AwsProblem),
    ("LimitExceeded", 400, AwsProblem),
    ("RuleDoesNotExist", 400, AwsMissing),
    ("RuleSetDoesNotExist", 400, AwsMissing),
    ("InvalidS3Configuration", 400, AwsProblem),
    ("InvalidLambdaFunction", 400, AwsProblem),
    ("InvalidSnsTopic", 400, AwsProblem),
    ("InvalidPolicy", 400, AwsProblem),
    ("InvalidParameterValue", 400, AwsProblem),
    ("ValidationError", 400, AwsProblem),
    ("InvalidAction", 400, AwsProblem),
    ("Throttling", 400, AwsBusy),
    ("AccessDenied", 403, AwsDenied),
    ("InvalidClientTokenId", 403, AwsDenied),
    ("SignatureDoesNotMatch", 403, AwsDenied),
    ("ExpiredToken", 403, AwsDenied),
    ("OptInRequired", 403, AwsDenied),
    ("MissingAuthenticationToken", 403, AwsDenied),
    ("InternalFailure", 500, AwsUnreachable),
    ("ServiceUnavailable", 503, AwsUnreachable),
]
V2: list[tuple[str, int, type[AwsProblem]]] = [
    ("AlreadyExistsException", 400, AwsConflict),
    ("LimitExceededException", 400, AwsProblem),
    ("BadRequestException", 400, AwsProblem),
    ("NotFoundException", 404, AwsMissing),
    ("ConflictException", 409, AwsConflict),
    ("TooManyRequestsException", 429, AwsBusy),
    ("ConcurrentModificationException", 500, AwsConflict),
    ("InternalServiceErrorException", 500, AwsUnreachable),
    ("SendingPausedException", 400, AwsProblem),
    ("AccountSuspendedException", 400, AwsProblem),
    ("MessageRejected", 400, AwsProblem),
    ("AccessDeniedException", 403, AwsDenied),
    ("UnrecognizedClientException", 403, AwsDenied),
    ("InvalidSignatureException", 403, AwsDenied),
    ("ExpiredTokenException", 403, AwsDenied),
    ("SomethingNew", 418, AwsProblem),
]

pytestmark = pytest.mark.django_db


@pytest.fixture
def fresh_clients() -> Iterator[None]:
    """Drop the clients before and after the test, as in a new process."""
    aws.drop_clients()
    yield
    aws.drop_clients()


@pytest.fixture
def single_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)


@pytest.mark.parametrize(("code", "status", "kind"), V1)
def test_every_v1_error_code_is_one_of_our_errors(
    sandbox: Sandbox, single_attempt: None, code: str, status: int, kind: type[AwsProblem]
) -> None:
    with Stubber(aws.client("ses")) as stub:
        stub.add_client_error("verify_domain_identity", code, "Amazon's words", status)
        with pytest.raises(AwsProblem) as raised, aws.calling("ses", "do it") as ses:
            ses.verify_domain_identity(Domain="shop.com")
    assert_problem(raised.value, kind, code)


@pytest.mark.parametrize(("code", "status", "kind"), V2)
def test_every_v2_error_code_is_one_of_our_errors(
    sandbox: Sandbox, single_attempt: None, code: str, status: int, kind: type[AwsProblem]
) -> None:
    with Stubber(aws.client("sesv2")) as stub:
        stub.add_client_error("get_email_identity", code, "Amazon's words", status)
        with pytest.raises(AwsProblem) as raised, aws.calling("sesv2", "do it") as ses:
            ses.get_email_identity(EmailIdentity="shop.com")
    assert_problem(raised.value, kind, code)


def assert_problem(problem: AwsProblem, kind: type[AwsProblem], code: str) -> None:
    assert type(problem) is kind
    assert (problem.aws_code, problem.aws_message) == (code, "Amazon's words")
    assert str(problem).startswith("We couldn't do it: ")


def test_a_real_ses_error_keeps_its_code_and_request_id(sandbox: Sandbox) -> None:
    with pytest.raises(AwsMissing) as missing, aws.calling("sesv2", "read it") as ses:
        ses.get_email_identity(EmailIdentity="nowhere.com")
    assert (missing.value.aws_code, bool(missing.value.request_id)) == ("NotFoundException", True)
    with pytest.raises(AwsProblem) as refused, aws.calling("ses", "set it") as v1:
        v1.set_identity_mail_from_domain(Identity="nowhere.com", MailFromDomain="x.nowhere.com")
    assert refused.value.aws_code == "InvalidParameterValue"


@pytest.mark.parametrize("service", ["ses", "sesv2"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("throttle", AwsBusy), ("error", AwsUnreachable), ("cut_before", AwsUnreachable), ("cut_after", AwsUnreachable)],
)
def test_no_fault_of_aws_raises_a_botocore_error(
    sandbox: Sandbox, single_attempt: None, service: Any, kind: FaultKind, expected: type[AwsProblem]
) -> None:
    sandbox.control.add_fault(kind, times=None)
    with pytest.raises(expected), aws.calling(service, "ask") as client:
        (client.get_account if service == "sesv2" else client.list_receipt_rule_sets)()


@pytest.mark.parametrize("kind", ["throttle", "error", "cut_before"])
def test_a_transient_fault_is_retried(sandbox: Sandbox, kind: FaultKind) -> None:
    sandbox.control.add_fault(kind, times=aws.ATTEMPTS - 1)
    with aws.calling("sesv2", "ask") as ses:
        assert ses.get_account()["SendingEnabled"]
    assert sandbox.control.call_counts() == {"GetAccount": aws.ATTEMPTS}


def test_an_unreachable_aws_is_reported(settings: Settings, single_attempt: None, sandbox: Sandbox) -> None:
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    with pytest.raises(AwsUnreachable, match="isn't responding"), aws.calling("sesv2", "ask") as ses:
        ses.get_account()


def test_a_response_that_is_not_from_aws_is_unreachable(
    settings: Settings, single_attempt: None, sandbox: Sandbox
) -> None:
    settings.AWS_ENDPOINT_URL = f"{sandbox.aws_url}/_sandbox"
    with pytest.raises(AwsUnreachable), aws.calling("ses", "ask") as ses:
        ses.list_receipt_rule_sets()


@pytest.mark.usefixtures("fresh_clients")
def test_missing_credentials_are_reported(
    sandbox: Sandbox, single_attempt: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AwsDenied, match="AWS credentials or region"), aws.calling("sesv2", "ask") as ses:
        ses.get_account()
    assert sandbox.control.call_counts() == {}


@pytest.mark.usefixtures("fresh_clients")
def test_a_missing_region_is_reported(sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AWS_REGION = None
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(AwsDenied, match="AWS credentials or region"), aws.calling("sesv2", "ask") as ses:
        ses.get_account()


def test_invalid_parameters_raise_aws_problem(sandbox: Sandbox) -> None:
    with pytest.raises(AwsProblem), aws.calling("sesv2", "ask") as ses:
        ses.get_email_identity()  # type: ignore[call-arg]  # on purpose


def test_a_call_inside_a_transaction_is_refused_before_it_is_made(sandbox: Sandbox) -> None:
    refused = pytest.raises(RuntimeError, match="inside a database transaction")
    with transaction.atomic(), refused, aws.calling("sesv2", "ask") as ses:
        ses.get_account()
    assert sandbox.control.call_counts() == {}


def test_recorded_request_ids_belong_to_the_calls_inside(sandbox: Sandbox) -> None:
    def ask(domain: str) -> None:
        with aws.calling("sesv2", "ask") as ses:
            ses.get_email_identity(EmailIdentity=domain)

    aws.client("sesv2").create_email_identity(EmailIdentity="shop.com")
    with aws.recording() as outer:
        ask("shop.com")
        with aws.recording() as inner, pytest.raises(AwsMissing) as missing:
            ask("nowhere.com")
        ask("shop.com")
    assert inner == [missing.value.request_id]
    assert len(set(outer)) == 2
    assert not set(inner) & set(outer)


def test_sts_calls_time_out_within_seconds(sandbox: Sandbox) -> None:
    sts_config, other = aws.client("sts").meta.config, aws.client("sesv2").meta.config
    assert (sts_config.connect_timeout, sts_config.read_timeout, sts_config.retries["total_max_attempts"]) == (2, 3, 1)
    assert (other.connect_timeout, other.read_timeout, other.retries["total_max_attempts"]) == (5, 20, aws.ATTEMPTS)


@pytest.mark.usefixtures("fresh_clients")
def test_the_account_id_is_read_once(sandbox: Sandbox) -> None:
    assert aws.account_id() == aws.account_id() == "123456789012"
    assert sandbox.control.call_counts() == {"GetCallerIdentity": 1}
    assert aws.identity_arn("shop.com") == "arn:aws:ses:eu-west-1:123456789012:identity/shop.com"


def test_the_arn_has_the_configured_region(sandbox: Sandbox, settings: Settings) -> None:
    settings.AWS_REGION = "us-east-1"
    assert aws.identity_arn("shop.com") == "arn:aws:ses:us-east-1:123456789012:identity/shop.com"


@pytest.fixture
def recorded_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record how long the pace sleeps, without other delays of a busy machine."""
    durations: list[float] = []

    def nap(seconds: float) -> None:
        durations.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(aws_rate_limit, "sleep", nap)
    return durations


def test_a_call_waits_for_its_turn(sandbox: Sandbox, settings: Settings, recorded_sleeps: list[float]) -> None:
    settings.AWS_CALLS_PER_SECOND = 4
    began = time.monotonic()
    for _ in range(3):
        with aws.calling("sesv2", "ask") as ses:
            ses.get_account()
    assert time.monotonic() - began >= 0.5
    assert sum(recorded_sleeps) < 2


def test_a_retry_of_botocore_waits_for_a_turn(sandbox: Sandbox, settings: Settings) -> None:
    sandbox.control.add_fault("throttle", times=aws.ATTEMPTS - 1)
    settings.AWS_CALLS_PER_SECOND = 2
    began = time.monotonic()
    with aws.calling("sesv2", "ask") as ses:
        ses.get_account()
    assert sandbox.control.call_counts() == {"GetAccount": aws.ATTEMPTS}
    assert time.monotonic() - began >= (aws.ATTEMPTS - 1) / 2


def test_a_retry_without_a_turn_raises_unreachable(sandbox: Sandbox, settings: Settings) -> None:
    sandbox.control.add_fault("cut_before", times=1)
    settings.AWS_CALLS_PER_SECOND = 0.2
    with aws.max_wait(1), pytest.raises(AwsUnreachable), aws.calling("sesv2", "ask") as ses:
        ses.get_account()


def test_a_call_beyond_the_maximum_wait_raises_busy(
    sandbox: Sandbox, settings: Settings, recorded_sleeps: list[float]
) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.4
    began = time.monotonic()
    with aws.max_wait(0.5):  # of 2.5 seconds, which leaves room for a busy machine
        with aws.calling("sesv2", "ask") as ses:
            ses.get_account()
        with pytest.raises(AwsBusy) as busy, aws.calling("sesv2", "read the domain") as ses:
            ses.get_account()
    assert str(busy.value) == (
        "We couldn't read the domain right now: other work is using our one SES call per second, "
        "and the wait would exceed 0.5 seconds. Try again in a moment."
    )
    assert sandbox.control.call_counts()["GetAccount"] == 1
    assert not recorded_sleeps
    with aws.calling("sesv2", "ask") as ses:  # the limit ends with its block
        ses.get_account()
    assert time.monotonic() - began > 2


@pytest.mark.parametrize("service", ["ses", "sesv2", "s3", "lambda", "sns", "cloudwatch", "logs", "sts"])
def test_the_sandbox_without_an_endpoint_never_calls_the_real_aws(service: Any, settings: Settings) -> None:
    settings.SANDBOX, settings.AWS_ENDPOINT_URL = True, ""
    with pytest.raises(AwsUnreachable, match="AWS was not called: SANDBOX is on and no sandbox is running"):
        aws.client(service)
    settings.SANDBOX = False
    assert "amazonaws.com" in aws.client(service).meta.endpoint_url
