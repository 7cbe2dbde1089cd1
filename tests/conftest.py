"""Fixtures of every test: the sandbox (fake AWS and DNS over the network), and settings without waiting times."""

import gc
import os
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import psycopg
import pytest
from django.core.cache import caches
from django.db import connection
from django.test import RequestFactory
from pytest_django import DjangoDbBlocker, Settings

from inbound_admin.lib import aws
from inbound_admin.lib.kept_values import PROCESS
from sandbox.process import Sandbox
from tests import committed_rows, template_database

# The duration of one example means nothing on a busy machine. In CI the same examples are
# used each time, so that only the change can fail; elsewhere they are random.
hypothesis.settings.register_profile("house", deadline=None, derandomize=os.environ.get("CI") == "true")
hypothesis.settings.load_profile("house")

# Python's default of 700 costs page tests a twentieth of their CPU; a few megabytes of garbage are cheaper.
GC_THRESHOLDS = (20_000, 10, 10)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Freeze everything that is loaded by the end of the collection: less work for the garbage collector."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Name the test database. pytest-django requests it before it creates one."""
    with template_database.copied(django_db_blocker):
        yield


@pytest.fixture(autouse=True)
def fast_password_hasher(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher"
    ]  # slow hashes protect against attackers only


@pytest.fixture(autouse=True)
def forget_kept_values() -> None:
    """Forget what an earlier test kept in this process; the shared cache is rolled back with the database."""
    caches[PROCESS].clear()


@pytest.fixture(autouse=True)
def add_staff_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a reason to every request, which staff need for a customer's objects; none with `HTTP_X_REASON=""`."""
    plain = RequestFactory.__init__

    def with_reason(self: RequestFactory, *args: Any, **defaults: Any) -> None:
        plain(self, *args, **{"HTTP_X_REASON": "A test says why.", **defaults})

    monkeypatch.setattr(RequestFactory, "__init__", with_reason)


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare account and region with the database's only in the tests of that, since it is one more call and query."""
    monkeypatch.setattr(aws, "elsewhere", lambda: "")


@pytest.fixture(scope="session", autouse=True)
def quick_removal() -> Iterator[None]:
    """Remove what a committing test leaves by our own means."""
    with pytest.MonkeyPatch.context() as patch:
        committed_rows.Remover().install(patch)
        yield


@pytest.fixture
def other_connection(db: None) -> Iterator["psycopg.Connection[Any]"]:
    """Yield another connection to the test's database, as another process has."""
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: params[name] for name in names if params.get(name)}, autocommit=True) as made:
        yield made


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
    aws.drop_clients()


@pytest.fixture
def sandbox(running_sandbox: Sandbox, settings: Settings) -> Sandbox:
    """Yield a fresh sandbox that the application uses, without a rate limit."""
    running_sandbox.control.reset()
    running_sandbox.control.set_receiver("", "")  # whose function a reset keeps
    settings.AWS_ENDPOINT_URL = running_sandbox.aws_url
    settings.DNS_RESOLVERS = (running_sandbox.dns_address,)
    settings.MTA_STS_PORT = running_sandbox.web_port
    settings.MTA_STS_AUTHORITIES = str(running_sandbox.authority)
    settings.AWS_CALLS_PER_SECOND = 0
    settings.DNS_TIMEOUT_SECONDS = 0.3
    return running_sandbox
