"""A request that writes, its sender and initial state, and its one change log entry."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from tests.receipt_rules.factories import (
    make_verified,
)

WHY = {"because": "The next person will ask."}


@dataclass(frozen=True)
class World:
    sandbox: Any
    customer: Customer
    people: dict[str, User]

    @property
    def alice(self) -> User:
        return self.people["alice"]


@dataclass(frozen=True)
class Post:
    """A request; `worker` runs after it, before the change log is read."""

    args: tuple[Any, ...] = ()
    form: dict[str, Any] = field(default_factory=dict)
    worker: Callable[[], object] = lambda: None
    query: str = ""


@dataclass(frozen=True)
class Write:
    """A request by `who` to the view `name`; `what` is its one change log entry. `also` are entries that the worker
    adds; `beside` are further entries of the request, such as an approval before AWS is called, or two decisions in
    one request.
    """

    name: str
    what: str
    who: str
    of: Callable[[World], Post]
    also: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.what}"


def ready(world: World, **fields: Any) -> Domain:
    return make_verified("shop.com", customer=world.customer, **fields)
