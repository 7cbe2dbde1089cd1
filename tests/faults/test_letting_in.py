"""The two buttons of the setup check with every S3 and Lambda call interrupted: pressing again converges."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from accounts.models.people import User
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from receipt_rules.permissions import services as permissions_services
from receipt_rules.receiving_setup import gateway as receiving_setup_gateway
from sandbox.aws.faults import ProcessCut
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_operator

pytestmark = pytest.mark.django_db
BUCKET = "inbound-mail"
THEIRS = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "*"}
WAYS = ("never sent", "answer lost", "process dies")
Press = Callable[[User], None]


class Wire:
    """Replaces botocore's sender; interrupts the `nth` request, and counts all."""

    def __init__(self, way: str, nth: int) -> None:
        self._way, self._nth = way, nth
        self.seen = 0

    def __call__(self, request: Any, **_: Any) -> None:
        self.seen += 1
        if self.seen != self._nth:
            return
        if self._way != "never sent":
            URLLib3Session().send(request)
        if self._way == "process dies":
            raise ProcessCut("here")
        raise ConnectionClosedError(endpoint_url=request.url)


@contextmanager
def wire(service: str, way: str = "", nth: int = 0) -> Iterator[Wire]:
    made, events = Wire(way, nth), aws.client(service).meta.events
    events.register_first(f"before-send.{service}", made)
    try:
        yield made
    finally:
        events.unregister(f"before-send.{service}", made)


def add_bucket_policy(olga: User) -> None:
    permissions_services.put_policy(
        bucket=BUCKET, digest=permissions_services.policy_preview(BUCKET).digest, actor=olga
    )


def add_function_permission(olga: User) -> None:
    (arn,) = permissions_services.functions()
    permissions_services.add_permission(arn=arn, digest=permissions_services.permission_preview(arn).digest, actor=olga)


def begin() -> int:
    """Reset both policies; return the number of rows in the change log, which are never deleted."""
    (arn,) = permissions_services.functions()
    aws.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Statement": [THEIRS]}))
    for statement in json.loads(receiving_setup_gateway.get_policy(arn) or '{"Statement": []}')["Statement"]:
        aws.client("lambda").remove_permission(FunctionName=arn, StatementId=statement["Sid"])
    return Change.objects.count()


def end() -> tuple[list[str], list[str]]:
    """Return the Sids of the bucket's and of the function's policy."""
    (arn,) = permissions_services.functions()
    texts = (receiving_setup_gateway.get_bucket_policy(BUCKET), receiving_setup_gateway.get_policy(arn))
    policies = [json.loads(text)["Statement"] if text else [] for text in texts]
    bucket, function = ([statement["Sid"] for statement in policy] for policy in policies)
    return bucket, function


def press_once(press: Press, olga: User) -> bool:
    """Return False if it was interrupted. If nothing is left to add, it has succeeded."""
    try:
        press(olga)
    except (AwsProblem, ProcessCut):
        return False
    except Refused as refused:
        return refused.code == "NOTHING_TO_ADD"
    return True


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize(("service", "press"), [("s3", add_bucket_policy), ("lambda", add_function_permission)])
def test_a_button_interrupted_anywhere_ends_the_same_when_pressed_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, service: str, press: Press, attempts: int
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", attempts)
    olga = make_operator()
    begin()
    with wire(service) as counted:
        assert press_once(press, olga)
    plain, calls = end(), counted.seen
    assert "InboundAdminSes" in plain[0] + plain[1]
    assert calls >= 3
    for way in WAYS:
        for nth in range(1, calls + 1):
            before = begin()
            with wire(service, way, nth) as cut:
                press_once(press, olga)
            assert cut.seen >= nth, f"call {nth} was not made"
            assert press_once(press, olga), f"{way}, call {nth}: the next press does not succeed"
            assert end() == plain, f"{way}, call {nth}"
            whats = Change.objects.order_by("pk").values_list("what", flat=True)[before:]
            assert any(what.endswith("_approved") for what in whats), f"{way}, call {nth}: no approval is logged"


@pytest.mark.parametrize(("service", "press"), [("s3", add_bucket_policy), ("lambda", add_function_permission)])
def test_a_lost_response_is_no_error(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, service: str, press: Press
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    olga = make_operator()
    begin()
    with wire(service) as counted:
        press(olga)
    before = begin()
    with wire(service, "answer lost", counted.seen):
        press(olga)
    assert Change.objects.count() == before + 2
