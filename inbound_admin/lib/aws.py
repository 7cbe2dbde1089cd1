"""The only access to AWS: clients, the shared rate limit, and AWS errors turned into ours.

Gateways write `with aws.calling("ses", "what is being done") as ses:` and make exactly one call inside. No exception of
botocore escapes: every failure is an `AwsProblem` with AWS's own code and request ID.
"""

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
import botocore.session
import structlog
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError
from django.conf import settings
from django.db import connection

from inbound_admin.lib import aws_home, aws_rate_limit, counters, errors, lanes, slow_work
from inbound_admin.lib.errors import AwsBusy, AwsConflict, AwsDenied, AwsMissing, AwsProblem, AwsUnreachable

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_ses import SESClient
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sns import SNSClient

Service = Literal["ses", "sesv2", "s3", "lambda", "sns", "cloudwatch", "logs", "mailmanager"]
PACED = ("ses", "sesv2")  # the others allow more calls than we ever make

MISSING = {
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchEntity",
    "NotFound",
    "NotFoundException",
    "ResourceNotFoundException",
    "RuleDoesNotExist",
    "RuleSetDoesNotExist",
}
CONFLICT = {
    "AlreadyExists",
    "AlreadyExistsException",
    "ConcurrentModificationException",
    "ConflictException",
    "ResourceConflictException",
}
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
BUSY = {
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_NEEDS = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)")  # in the messages of all services
NOT_ALLOWED = (401, 403)  # whatever the code, since SES has more codes for it than the list above
FULL = {"LimitExceeded", "LimitExceededException"}

# The first match applies. AWS's message names accounts and ARNs, so sentences only have its code and the permission.
SAID: tuple[tuple[set[str], type[AwsProblem], str], ...] = (
    (BUSY, AwsBusy, "AWS is throttling our requests. Try again in a moment."),
    (MISSING, AwsMissing, "AWS reports that it doesn't exist. ({code})"),
    (DENIED, AwsDenied, errors.DENIED),
    (CONFLICT, AwsConflict, "AWS reports that it already exists or is being changed. ({code})"),
    (FULL, AwsProblem, errors.QUOTA_USED),
)

NO_SANDBOX = (
    "AWS was not called: SANDBOX is on and no sandbox is running. Start it with `make run`, "
    "set AWS_ENDPOINT_URL to a sandbox, or set SANDBOX=0 to use real AWS."
)
ATTEMPTS = 3  # botocore's own, all within seconds: only a backstop, since jobs are repeated until AWS answers
IN_A_REQUEST, QUICK = 2, (2, 6)  # attempts, and seconds to connect and to read: a web thread waits
_SECONDS = {"sts": (2, 3)}  # to connect, to read: pages and /healthz wait for STS, and must not hold a web thread

log = structlog.get_logger(__name__)
_patience: ContextVar[float | None] = ContextVar("aws_patience", default=None)
_request_ids: ContextVar[list[str] | None] = ContextVar("aws_request_ids", default=None)
_accounts: dict[tuple[str, str], str] = {}
_at_home: dict[tuple[str, str], float] = {}  # when region and account were last compared with the database's
HOME_ASKED_EVERY_SECONDS = 60.0


@contextmanager
def max_wait(seconds: float) -> Iterator[None]:
    """Raise AwsBusy from calls inside that would wait longer than this for their turn. For reads of a page."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


@contextmanager
def recording() -> Iterator[list[str]]:
    """Collect the AWS request IDs of all calls made inside, for the change log."""
    ids: list[str] = []
    token = _request_ids.set(ids)
    try:
        yield ids
    finally:
        _request_ids.reset(token)


@overload
def calling(service: Literal["ses"], doing: str) -> "AbstractContextManager[SESClient]": ...
@overload
def calling(service: Literal["sesv2"], doing: str) -> "AbstractContextManager[SESV2Client]": ...
@overload
def calling(service: Literal["s3"], doing: str) -> "AbstractContextManager[S3Client]": ...
@overload
def calling(service: Literal["lambda"], doing: str) -> "AbstractContextManager[LambdaClient]": ...
@overload
def calling(service: Literal["sns"], doing: str) -> "AbstractContextManager[SNSClient]": ...
@overload
def calling(service: Literal["cloudwatch"], doing: str) -> "AbstractContextManager[CloudWatchClient]": ...
@overload
def calling(service: Literal["logs"], doing: str) -> "AbstractContextManager[CloudWatchLogsClient]": ...
@overload
def calling(service: Literal["mailmanager"], doing: str) -> "AbstractContextManager[Any]": ...  # it has no types here
def calling(service: Service, doing: str) -> AbstractContextManager[Any]:
    """Yield a client when it is our turn. `doing` completes the sentence "We couldn't ..."."""
    return _calling(service, doing)


@contextmanager
def _calling(service: Service, doing: str) -> Iterator[Any]:
    _refuse_in_transaction()
    with _place(doing):
        _refuse_elsewhere(doing)  # it may wait for STS
        if service in PACED:
            _wait_for_turn(doing)
        with _translating(doing):
            yield client(service)


@contextmanager
def _place(doing: str) -> Iterator[None]:
    """Hold a web request's slot. Raises AwsBusy if too many requests wait already, which every page can show."""
    with ExitStack() as stack:
        try:
            stack.enter_context(slow_work.slot())
        except slow_work.TooManyAtOnce as problem:
            raise AwsBusy(f"We couldn't {doing} right now. {problem}") from problem
        yield


@contextmanager
def _translating(doing: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, doing) from error
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as error:
        raise AwsDenied(f"We couldn't {doing}: {errors.NOT_CONFIGURED.format(error=error)}") from error
    except (ConnectionError, HTTPClientError, ResponseParserError) as error:  # the last: a proxy's page
        raise AwsUnreachable(
            f"We couldn't {doing}: AWS isn't responding. This page may be out of date. Try again in a minute."
        ) from error
    except BotoCoreError as error:
        raise AwsProblem(f"We couldn't {doing}: {error}") from error


def client(service: str) -> Any:
    """Return a shared, thread-safe client for our region and endpoint. Raises AwsUnreachable if no sandbox runs."""
    if settings.SANDBOX and not settings.AWS_ENDPOINT_URL:
        raise AwsUnreachable(NO_SANDBOX)
    attempts = 1 if service == "sts" else ATTEMPTS
    if slow_work.is_in_request() and service != "sts":
        return _client(service, settings.AWS_REGION, settings.AWS_ENDPOINT_URL, IN_A_REQUEST, quick=True)
    return _client(service, settings.AWS_REGION, settings.AWS_ENDPOINT_URL, attempts)


@cache
def _loader() -> Loader:
    """Return what reads botocore's models and remembers them: without it, each session reads a megabyte again."""
    return create_loader()


@cache
def _client(service: str, region: str, endpoint: str, attempts: int, *, quick: bool = False) -> Any:
    connect, read = _SECONDS.get(service, QUICK if quick else (5, 20))
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=20,
        user_agent_extra="inbound-admin",
    )
    botocore_session = botocore.session.get_session()
    botocore_session.register_component("data_loader", _loader())
    session: Any = boto3.session.Session(botocore_session=botocore_session)  # its types need a literal service name
    made = session.client(service, region_name=region, endpoint_url=endpoint or None, config=config)
    if service in PACED:
        made.meta.events.register_first("request-created", _wait_before_retry)  # before it is signed with its time
    made.meta.events.register("after-call", _remember_request)
    made.meta.events.register("after-call", _count_response)
    made.meta.events.register("after-call-error", _count_silence)
    return made


def account_id() -> str:
    """Return the AWS account of our credentials, read from STS once for each process. Raises AwsProblem."""
    key = (settings.AWS_REGION, settings.AWS_ENDPOINT_URL)
    if key not in _accounts:
        _accounts[key] = ask_account_id()
    return _accounts[key]


def ask_account_id() -> str:
    """Call STS GetCallerIdentity now, without the rate limit. Raises AwsProblem."""
    with _translating("find out which AWS account this is"):
        return str(client("sts").get_caller_identity()["Account"])


def aws_time() -> datetime:
    """Return AWS's time, to the second, from the Date header of an STS response. Raises AwsProblem."""
    with _translating("read the time from AWS"):
        answer = client("sts").get_caller_identity()
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def elsewhere() -> str:
    """Return why region or account aren't those of our data; "" if they are. Raises AwsProblem if AWS can't tell."""
    key = (settings.AWS_REGION, settings.AWS_ENDPOINT_URL)
    if time.monotonic() - _at_home.get(key, float("-inf")) < HOME_ASKED_EVERY_SECONDS:
        return ""
    problem = aws_home.problem_of(settings.AWS_REGION, account_id)
    if not problem:
        _at_home[key] = time.monotonic()
    return problem


def _refuse_elsewhere(doing: str) -> None:
    """Refuse a call to another account or region: its answers would be believed, and our work would be done there."""
    if problem := elsewhere():
        log.error("refused to call AWS", doing=doing, problem=problem)
        raise AwsDenied(f"We couldn't {doing}: {errors.ELSEWHERE}")


def drop_clients() -> None:
    """Drop the cached clients. The next call creates new ones. For tests and forked workers."""
    _client.cache_clear()
    _accounts.clear()
    _at_home.clear()


def _wait_for_turn(doing: str) -> None:
    if settings.AWS_CALLS_PER_SECOND <= 0:
        return
    longest = _patience.get()
    waited = aws_rate_limit.wait_for_turn(account_id(), settings.AWS_REGION, lane=lanes.current(), max_wait=longest)
    if waited is None:
        raise AwsBusy(
            f"We couldn't {doing} right now: other work is using our one SES call per second, "
            f"and the wait would exceed {longest:g} seconds. Try again in a moment."
        )
    counters.count("aws_wait", seconds=waited)


def _wait_before_retry(request: Any, **_: Any) -> None:
    """Make each retry of botocore wait for its own turn, since SES counts them all.

    Raises AwsUnreachable if there is no time for one; the earlier attempt may have been applied.
    """
    if request.context.get("retries", {}).get("attempt", 1) <= 1:
        return
    try:
        _wait_for_turn("ask Amazon again")
    except AwsBusy as busy:
        raise AwsUnreachable(f"Amazon did not answer. {busy}") from busy


def _refuse_in_transaction() -> None:
    """Refuse a call inside a transaction: a rollback would forget that it was made."""
    blocks = [block for block in connection.atomic_blocks if not getattr(block, "_from_testcase", False)]
    if blocks:
        raise RuntimeError("AWS was called inside a database transaction")


def _remember_request(parsed: dict[str, Any], **_: Any) -> None:
    ids = _request_ids.get()
    request_id = parsed.get("ResponseMetadata", {}).get("RequestId", "")
    if ids is not None and request_id:
        ids.append(request_id)


def _count_response(parsed: dict[str, Any], event_name: str, **_: Any) -> None:
    """Count by operation and outcome: "ok" or the AWS error code."""
    outcome = str(parsed.get("Error", {}).get("Code", "")) or "ok"
    counters.count("aws_call", label=_operation(event_name), outcome=outcome)


def _count_silence(exception: Exception, event_name: str, **_: Any) -> None:
    counters.count("aws_call", label=_operation(event_name), outcome=type(exception).__name__)


def _operation(event_name: str) -> str:
    """Return the operation of an event such as `after-call.ses.CreateReceiptRule`."""
    return event_name.rpartition(".")[2]


def _from_answer(error: ClientError, doing: str) -> AwsProblem:
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    request_id = str(error.response.get("ResponseMetadata", {}).get("RequestId", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    kind, why = _kind(code, status)
    if kind is AwsDenied and (needs := _NEEDS.search(message)):
        why = errors.NO_PERMISSION.format(needs=needs[1], code=code)
    log.warning("aws refused", doing=doing, code=code, message=message, request_id=request_id)
    return kind(f"We couldn't {doing}: {why}", aws_code=code, aws_message=message, request_id=request_id)


def _kind(code: str, status: int) -> tuple[type[AwsProblem], str]:
    for codes, kind, why in SAID:
        if code in codes:
            return kind, why.format(code=code)
    if status in NOT_ALLOWED:
        return AwsDenied, errors.DENIED.format(code=code)
    if status >= 500:
        return AwsUnreachable, "AWS had an internal error. Try again in a minute."
    return AwsProblem, f"AWS refused the request. ({code})"


def identity_arn(name: str) -> str:
    """Return the ARN of our SES identity. Region and partition are the client's, never a second setting."""
    meta = client("sesv2").meta
    return f"arn:{meta.partition}:ses:{meta.region_name}:{account_id()}:identity/{name}"
