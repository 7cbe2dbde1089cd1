"""A workflow of the sweep: how it starts, and what pages must not say too early."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.test import Client
from django.urls import reverse

if TYPE_CHECKING:
    from accounts.models.people import User
    from sandbox.process import Sandbox
    from tests.notifications.factories import Receiver

NAME = "shop.com"


@dataclass(frozen=True)
class Claim:
    """A sentence of a page. Whenever `says` is true, `is_so` must be. `at_the_end`: the page must say it in the end."""

    name: str
    says: Callable[[], bool]
    is_so: Callable[[], bool]
    at_the_end: bool = True

    @property
    def is_false(self) -> bool:
        return self.says() and not self.is_so()


@dataclass(frozen=True)
class Place:
    """The environment: the sandbox's AWS and DNS, and a server that receives webhooks."""

    sandbox: "Sandbox"
    receiver: "Receiver"


@dataclass(frozen=True)
class Workflow:
    """`begin` stores the request and its job, as page or API do, and returns the claims of pages."""

    name: str
    begin: Callable[[Place], list[Claim]]
    asks_dns: bool = False


def page(url: str, person: "User") -> Any:
    client = Client(headers={"x-reason": "The sweep looks."})
    client.force_login(person)
    return client.get(url)


def shows(person: "User", words: str, name: str, *args: object, but_not: str = "") -> Callable[[], bool]:
    """Return whether the page has these words, and lacks the others."""

    def says() -> bool:
        answer = page(reverse(name, args=args), person)
        assert answer.status_code < 500, f"{answer.status_code} of {name}"
        text = answer.content.decode()
        return answer.status_code == 200 and words in text and not (but_not and but_not in text)

    return says


def is_missing(person: "User", name: str, *args: object) -> Callable[[], bool]:
    """Return whether the page no longer exists."""

    def says() -> bool:
        return bool(page(reverse(name, args=args), person).status_code == 404)

    return says


def olga() -> "User":
    return _staff("olga@ops.example", "OPERATOR")


def tess() -> "User":
    return _staff("tess@ops.example", "TRUST_AND_SAFETY")


def _staff(email: str, role: str) -> "User":
    from accounts.models.people import User
    from accounts.roles import Role
    from tests.factories import make_staff

    return User.objects.filter(email=email).first() or make_staff(Role[role], email=email)


def identity_at_ses(name: str = NAME) -> Any:
    from tests.domains import factories

    return factories.identity_at_ses(name)
