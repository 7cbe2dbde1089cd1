"""A visit to a page: who comes, and what they do before it is checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

from tests.browser.showcase.world import Showcase
from tests.browser.worker import make_diagnoses

Arguments = Callable[[Showcase], tuple[Any, ...]]
Act = Callable[[Page], None]
ALERT = "main [role=alert]:not(:empty)"


@dataclass(frozen=True)
class Visit:
    """A visit to the URL of that name by that person ("" for nobody). `elsewhere`: it redirects to another URL."""

    name: str
    who: str = "alice"
    of: Arguments = lambda _: ()
    query: str = ""
    act: Act | None = None
    note: str = ""
    status: int = 200
    elsewhere: bool = False
    lately: bool = True

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.note or self.query, f"({self.who or 'nobody'})")))


def domain(key: str) -> Arguments:
    return lambda world: (world.domains[key].id,)


def acme(world: Showcase) -> tuple[str, ...]:
    return (world.acme.pk,)


def fill(label: str, text: str, button: str, *, seen: str = ALERT) -> Act:
    def act(page: Page) -> None:
        page.get_by_label(label, exact=True).first.fill(text)
        press(button, seen=seen)(page)

    return act


def press(button: str, *, seen: str = ALERT) -> Act:
    """Submit past the browser's own validation, so that the server answers. Wait until `seen` is shown."""

    def act(page: Page) -> None:
        page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")
        page.get_by_role("button", name=button, exact=True).first.click()
        page.locator(seen).first.wait_for()

    return act


def show_diagnosis(page: Page) -> None:
    make_diagnoses(page)
    page.locator("#result [data-summary]").wait_for()
