"""Accessibility checks of a page with axe."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
# Preloading fetches every stylesheet again, only for audio and video, which no page has.
_OPTIONS = {"resultTypes": ["violations"], "preload": False}
# Rules that depend on colours; the other results are the same in dark mode.
COLOURS = ("color-contrast", "link-in-text-block")
# Rules that also depend on the width and the spacing of text.
LAYOUT = ("target-size", "scrollable-region-focusable")


def assert_accessible(page: Page) -> None:
    """Check the page in its current state with axe against WCAG 2.2 A and AA."""
    found = violations(page)
    assert not found, f"{page.url}\n" + "\n".join(found)


def violations(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """Return a line for each rule that the page violates, with the first elements. Default: WCAG 2.2 A and AA."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": _LEVELS}
    options = {**_OPTIONS, "runOnly": only}
    found = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
    return [f"{it['id']}, {it['help']}: {_places(it['nodes'])}" for it in found]


def _places(nodes: list[dict[str, list[str] | str]]) -> str:
    return "; ".join(f"{node['html']} {node['failureSummary']}" for node in nodes[:3])
