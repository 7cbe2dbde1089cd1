"""Every view that writes adds exactly one change of its user to the change log, with the values before and after."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.roles import Role
from audit.models import ActorKind, Change
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_staff
from tests.test_access import THIRD_PARTY
from tests.writes.every import WRITES
from tests.writes.world import World, Write

pytestmark = pytest.mark.django_db

# Views that accept POST and log no change, each with the reason.
NOT_LOGGED = {
    "home": "It redirects any request.",
    "healthz": "It answers any request.",
    "readyz": "It answers any request.",
    "metrics": "It answers any request.",
    "domains:check": "A look; a state that turns out to have changed has its line by the worker.",
    "domains:shared": "The same look, by somebody without an account; each visit is a row of the link's.",
    "receipt_rules:forwarding": "By a recipient without an account; the answer has its line, by our worker.",
    "operations:look": "A look at Amazon; each difference that is found has its line.",
    "tenants:ask_again": "A look at Amazon; what has changed has its line.",
    "tenants:try_now": "The next attempt of what was asked for, which has its line.",
    "tenants:events": "Amazon's own notices, which are kept as rows of their own.",
    "sandbox:faults": "The pretended Amazon, which no installation has.",
    "sandbox:mail": "The pretended Amazon, which no installation has.",
    "sandbox:tenants": "The pretended Amazon, which no installation has.",
    "sandbox:zone": "The pretended DNS host, which no installation has.",
}


def views() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the views of our own URLs by full name."""
    yield from _views(get_resolver().url_patterns, "")


def _views(patterns: list[URLPattern | URLResolver], space: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, f"{space}{pattern.namespace}:" if pattern.namespace else space)
        elif pattern.name and not f"{space}{pattern.name}".startswith(THIRD_PARTY):
            yield f"{space}{pattern.name}", pattern.callback


def accepts_post(view: Callable[..., Any]) -> bool:
    """Read the methods from Django's decorator at any depth. A view without one accepts all methods."""
    found: Any = view
    while found is not None:
        names, cells = found.__code__.co_freevars, found.__closure__ or ()
        for name, cell in zip(names, cells, strict=True):
            if name == "request_method_list":
                return "POST" in cell.cell_contents
        found = getattr(found, "__wrapped__", None)
    return True


def test_every_view_that_accepts_post_is_in_exactly_one_table() -> None:
    writing = {name for name, view in views() if accepts_post(view)}
    assert {write.name for write in WRITES} | set(NOT_LOGGED) == writing
    assert not {write.name for write in WRITES} & set(NOT_LOGGED)


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    customer = make_customer("Alice Ltd")
    roles = {"sam": Role.SUPPORT, "olga": Role.OPERATOR, "tess": Role.TRUST_AND_SAFETY, "adam": Role.ADMIN}
    staff = {name: make_staff(role) for name, role in roles.items()}
    return World(sandbox, customer, {"alice": make_member(customer), **staff})


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_each_write_logs_one_change_of_its_user_with_before_and_after(write: Write, world: World) -> None:
    post, client = write.of(world), Client()
    client.force_login(world.people[write.who])
    known = set(Change.objects.values_list("pk", flat=True))
    answer = client.post(reverse(write.name, args=post.args) + post.query, post.form)
    assert answer.status_code in (200, 302), answer.content.decode()
    post.worker()
    lines = Change.objects.exclude(pk__in=known)
    own = [line for line in lines if line.actor_kind == ActorKind.PERSON]
    assert sorted(line.what for line in own) == sorted((write.what, *write.beside))
    assert {line.what for line in lines if line.actor_kind != ActorKind.PERSON} <= set(write.also)
    for line in own:
        assert line.actor_id == str(world.people[write.who].pk)
        assert line.before or line.after, line.what
