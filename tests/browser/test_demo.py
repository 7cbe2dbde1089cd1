"""The demo of `make run` in a browser: every page of *What to try*, and the pictures of the README."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from sandbox import tour
from sandbox.process import Sandbox
from tenants.lifecycle.selectors import tenant_of
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as
from tests.browser.threads import run_in_thread
from tests.factories import make_roles

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = (1280, 390)
DIAGNOSED_MS = 20_000


@dataclass(frozen=True)
class Shown:
    """One picture: the user, the page, and the window height that shows all of it."""

    name: str
    email: str
    path: str
    seen: str
    height: int = 900


def _pictures() -> tuple[Shown, ...]:
    letters, kite = (Domain.objects.get(name=name).pk for name in ("letters.northwind-books.com", "kiteandkey.studio"))
    harbour = tenant_of(Customer.objects.get(name="Harbour Dental"))
    assert harbour is not None
    records = reverse("domains:detail", args=[letters])
    return (
        Shown("records", "nora@northwind-books.com", records, "has the domain in its name twice", 1240),
        Shown("plan", "omar@inbound-admin.example", reverse("receipt_rules:plan"), "press@tallisaudio.com"),
        Shown("overview", "omar@inbound-admin.example", reverse("operations:overview"), "press-freeze-test"),
        Shown(
            "case", "sam@inbound-admin.example", reverse("operations:case", args=[kite]), "kit@kiteandkey.studio", 1000
        ),
        Shown(
            "pause_preview",
            "tess@inbound-admin.example",
            reverse("operations:pause", args=[harbour.pk]),
            "recall.harbourdental.co.uk",
        ),
    )


@pytest.fixture
def site(sandbox: Sandbox, live_server: LiveServer, settings: Settings, transactional_db: None) -> str:
    """Yield the product's address, with a complete demo."""
    settings.SITE_URL = live_server.url
    make_roles()
    run_in_thread(call_command, "seed_demo", "--company", verbosity=0)
    return str(live_server.url)


def test_every_page_of_what_to_try_fits_and_the_readmes_pictures_show_the_demo(
    site: str, new_page: NewPage, picture: Picture, subtests: Any
) -> None:
    page = new_page(viewport={"width": WIDTHS[0], "height": 900}, color_scheme="light")
    for wanted in _pictures():
        with subtests.test(wanted.name):
            _is_pictured(page, wanted, site, picture)
    for shown in tour.roles_shown():
        log_in_as(page.context, User.objects.get(email=shown.account.email), site)
        for each in shown.steps:
            with subtests.test(f"{shown.role.title}: {each.step.title}"):
                _fits(page, each.url)


def _fits(page: Page, path: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), f"{path} at {width}"


def _is_pictured(page: Page, shown: Shown, site: str, picture: Picture) -> None:
    page.set_viewport_size({"width": WIDTHS[0], "height": shown.height})
    log_in_as(page.context, User.objects.get(email=shown.email), site)
    page.goto(shown.path)
    expect(page.locator("#main")).to_contain_text(shown.seen, timeout=DIAGNOSED_MS)
    assert_accessible(page)
    picture(page, shown.name)
