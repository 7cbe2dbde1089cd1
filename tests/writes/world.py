"""A request that writes, by whom, in which world, and the one line that it leaves in the change log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from tests.receipt_rules.making import (
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
    """`worker` does its part after it, before the log is read."""

    args: tuple[Any, ...] = ()
    form: dict[str, Any] = field(default_factory=dict)
    worker: Callable[[], object] = lambda: None
    query: str = ""


@dataclass(frozen=True)
class Write:
    """By `who`, to the view of that name; `what` is their one line. `also`: lines of the worker that follow by rule.

    `beside`: further lines of theirs, where it is an approval before Amazon is called, or one press is two decisions.
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
