"""The Lambda function with a fake S3 and SES, and local servers."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config

from receiving.deployment import Deployment
from receiving.handler import Receiver
from sandbox.process import Sandbox
from tests.receiving.servers import BUCKET, Server, Site, running

REGION = "us-east-1"


class Function:
    """Calls the handler with an event, as Lambda does. `changed` returns a function with other settings."""

    def __init__(self, deployment: Deployment, aws_url: str) -> None:
        self.deployment, self._aws_url = deployment, aws_url

    def __call__(self, event: dict[str, Any]) -> None:
        assert Receiver(self.deployment, self.client).handle(event) == {"disposition": "CONTINUE"}

    def changed(self, **settings: Any) -> "Function":
        return Function(replace(self.deployment, **settings), self._aws_url)

    def client(self, service: str) -> Any:
        return _client(service, self._aws_url)

    def store(self, message_id: str, raw: bytes) -> None:
        self.client("s3").put_object(Bucket=BUCKET, Key=message_id, Body=raw)


@cache
def _client(service: str, url: str) -> Any:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    config = Config(retries={"total_max_attempts": 1})
    return session.client(service, endpoint_url=url, config=config)  # type: ignore[call-overload]  # by its name


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    with running(server):
        yield server


@pytest.fixture
def webhook() -> Iterator[Server]:
    server = Server()
    with running(server):
        yield server


@pytest.fixture
def function(running_sandbox: Sandbox, site: Site) -> Function:
    running_sandbox.control.reset()
    deployment = Deployment(site_url=site.url, key="ia_test", bucket=BUCKET, may_be_private=True, webhook_seconds=2)
    return Function(deployment, running_sandbox.aws_url)
