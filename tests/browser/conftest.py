"""Chromium and pages for the browser tests, which carry `pytestmark = pytest.mark.browser`."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from inbound_admin.lib.errors import Problem
from sandbox.local import browser as sandbox_local_browser
from sandbox.process import Sandbox

TIMEOUT_MS = 10_000
# Each page runs a script for a second at most, axe the longest: optimising it costs more than it saves.
FLAGS = (*sandbox_local_browser.FLAGS, "--js-flags=--no-opt")
PHONE = {"width": 360, "height": 740}

NewPage = Callable[..., Page]
Picture = Callable[[Page, str], None]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield one Chromium for all tests. Without one, each test is skipped; in CI, it fails."""
    try:
        path = sandbox_local_browser.obtain()
    except Problem as problem:
        _cannot_run(str(problem))
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in the test's thread, which Django mistakes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def sandbox(sandbox: Sandbox, settings: Settings) -> Sandbox:
    """Yield a fresh sandbox. Beside Chromium, a busy machine may need a second for a DNS answer."""
    settings.DNS_TIMEOUT_SECONDS = 2
    return sandbox


@pytest.fixture
def new_page(browser: Browser, live_server: LiveServer) -> Iterator[NewPage]:
    """Return a function that makes a page with its own session. It accepts new_context's options.

    Paths are relative to the live server. A script error or a violation of the Content-Security-Policy fails the test.
    """
    errors: list[str] = []
    contexts = []

    def make(**options: Any) -> Page:
        context = browser.new_context(**{"base_url": live_server.url, "reduced_motion": "reduce", **options})
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        page.on("console", lambda message: errors.extend(_error_of(page, message)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors, "\n".join(errors)


@pytest.fixture
def browser_page(new_page: NewPage) -> Page:
    """Return a page with a session: desktop, light."""
    return new_page(color_scheme="light", viewport={"width": 1280, "height": 800})


@pytest.fixture
def phone_page(new_page: NewPage) -> Page:
    """Return a page with a session: narrow phone, dark."""
    return new_page(color_scheme="dark", viewport=PHONE, has_touch=True)


@pytest.fixture
def scriptless_page(new_page: NewPage) -> Page:
    """Return a page with a session, without JavaScript."""
    return new_page(java_script_enabled=False)


@pytest.fixture
def picture() -> Picture:
    """Return a function that saves a picture of the page under a name, for `make screenshots`."""

    def take(page: Page, name: str) -> None:
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take


def _cannot_run(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"The browser tests could not run. {why}", pytrace=False)
    pytest.skip(f"This test could not run. {why}")


IGNORED_MESSAGES = (
    "Failed to load resource",  # an error response that a test provokes
    "htmx:afterRequest",  # htmx logs this for each request without a response, besides the cause
    "htmx:sendAbort",  # the page was left while it polled
)


def _error_of(page: Page, message: ConsoleMessage) -> list[str]:
    """Return the console message if it is an error that fails the test."""
    if message.type != "error" or message.text.startswith(IGNORED_MESSAGES):
        return []
    return [f"{page.url}: {message.text}"]
