"""The fake AWS over HTTP, reset before each test, boto3 clients without retries, and users of the sandbox's pages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from django.contrib.auth.models import Permission
from django.test import Client
from moto import mock_aws

from accounts.models.people import Customer
from sandbox import aws
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from sandbox.seed import seed
from tests.factories import make_customer, make_member, make_user

REGION = "us-east-1"
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Aws:
    """Clients of one fake AWS, in process or over HTTP."""

    endpoint_url: str | None

    def client(self, service: str, region: str = REGION, attempts: int = 1) -> Any:
        return _client(service, self.endpoint_url, region, attempts)

    @property
    def ses(self) -> Any:
        return self.client("ses")

    @property
    def sesv2(self) -> Any:
        return self.client("sesv2")


@cache
def _client(service: str, endpoint_url: str | None, region: str, attempts: int) -> Any:
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=5)
    return _session().client(service, region, endpoint_url=endpoint_url, config=config)  # type: ignore[call-overload]


@cache
def _session() -> boto3.Session:
    aws.install()
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")


@pytest.fixture
def local(running_sandbox: Sandbox) -> Sandbox:
    """Yield the running sandbox, reset."""
    running_sandbox.control.reset()
    return running_sandbox


@pytest.fixture
def over_http(local: Sandbox) -> Aws:
    return Aws(local.aws_url)


@pytest.fixture(params=["in process", "over HTTP"])
def fake_aws(request: pytest.FixtureRequest) -> Iterator[Aws]:
    """Run the test twice: with moto in this process, and behind the sandbox's HTTP server."""
    if request.param == "over HTTP":
        yield request.getfixturevalue("over_http")
        return
    aws.install()
    with mock_aws():
        WORLD.reset()
        seed([REGION])
        yield Aws(None)
        WORLD.reset()


@pytest.fixture
def alice() -> Customer:
    return make_customer("Alice's")


@pytest.fixture
def alice_client(client: Client, alice: Customer) -> Client:
    client.force_login(make_member(alice, email="alice@alice.com"))
    return client


@pytest.fixture
def sam_client() -> Client:
    sam = make_user("sam@inbound-admin.example")
    sam.user_permissions.add(Permission.objects.get(codename="support_customer"))
    client = Client()
    client.force_login(sam)
    return client


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, str, int]:
    """Return code, message and HTTP status with which AWS refuses the call."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error, meta = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], error["Message"], meta["HTTPStatusCode"]
