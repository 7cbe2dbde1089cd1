"""Calls of the JSON API as a program makes them: with a key, without a session, with CSRF checks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.api_keys.services import create_api_key
from accounts.models.people import User
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.settings import services as settings_services
from inbound_admin.api import api
from inbound_admin.lib import slow_work
from operations.domain_removal import services as domain_removal_services

EVERYTHING = ("read", "write")


@dataclass(frozen=True)
class Api:
    """Calls with one key. Each response is validated against the API's description."""

    secret: str

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, None, query)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._call("POST", path, body, {}, headers)

    def put(self, path: str, body: Any = None) -> Any:
        return self._call("PUT", path, body, {})

    def patch(self, path: str, body: Any = None) -> Any:
        return self._call("PATCH", path, body, {})

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path, None, {})

    def _call(self, method: str, path: str, body: Any, query: dict[str, Any], headers: Any = None) -> Any:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        key = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        client = Client(enforce_csrf_checks=True)
        if method == "GET":
            return client.get(path, query, headers=key)
        return client.generic(method, path, sent, "application/json", headers={**key, **given})


def api_of(user: User, *scopes: str, name: str = "test") -> Api:
    made = create_api_key(user=user, name=name, scopes=scopes or EVERYTHING, actor=None)
    return Api(made.secret)


def ok(answer: Any, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    body: dict[str, Any] = answer.json()
    return body


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), body
    assert set(body) <= {"error", "code", "details"}
    assert body["error"].endswith((".", ":"))
    return body


@cache
def description() -> dict[str, Any]:
    """Return the API's description, built once, because that takes a second."""
    return dict(api.get_openapi_schema(path_prefix="/api"))


def operations() -> list[tuple[str, str]]:
    """Return the method and path of every operation of the description."""
    return [(method.upper(), path) for path, methods in description()["paths"].items() for method in methods]


def run_jobs_while_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the domain jobs whenever a call would sleep, so that a call that waits for the worker finds its work done."""
    monkeypatch.setattr(slow_work, "sleep", lambda _: _work())


def expire_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker do nothing, and the waiting time be over at once."""
    monkeypatch.setattr(slow_work, "now", iter((0.0, *(1e9,) * 1000)).__next__)
    monkeypatch.setattr(slow_work, "sleep", lambda _: None)


_WORK: dict[str, Callable[..., object]] = {
    "domains.set_up": identity_services.set_up,
    "domains.configure": settings_services.apply_settings,
    "domains.delete": deletion_services.execute_deletion,
    "operations.remove": domain_removal_services.work,
}


def _work() -> None:
    for job in ProcrastinateJob.objects.filter(status="todo", task_name__in=_WORK).order_by("id"):
        _WORK[job.task_name](**job.args)
        ProcrastinateJob.objects.filter(pk=job.pk)._raw_delete("default")  # only functions write this table
