"""Accessibility checks of a page with axe."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
# Preloading fetches every stylesheet again, only for audio and video, which no page has.
_OPTIONS = {"resultTypes": ["violations"], "preload": False, "runOnly": {"type": "tag", "values": _LEVELS}}
# Rules that depend on colours; the other results are the same in dark mode.
_COLOUR_OPTIONS = {**_OPTIONS, "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# Rules that also depend on the width and the spacing of text.
_LAYOUT_OPTIONS = {**_OPTIONS, "runOnly": {"type": "rule", "values": ["target-size", "scrollable-region-focusable"]}}


def assert_accessible(page: Page) -> None:
    """Check the page in its current state with axe against WCAG 2.2 A and AA."""
    found = violations(page)
    assert not found, f"{page.url}\n" + "\n".join(found)


def violations(page: Page, *, colours_alone: bool = False, layout_alone: bool = False) -> list[str]:
    """Return a line for each rule of WCAG 2.2 A and AA that the page violates, with the first elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    options = _COLOUR_OPTIONS if colours_alone else _LAYOUT_OPTIONS if layout_alone else _OPTIONS
    found = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
    return [f"{it['id']}, {it['help']}: {_places(it['nodes'])}" for it in found]


def _places(nodes: list[dict[str, list[str] | str]]) -> str:
    return "; ".join(f"{node['html']} {node['failureSummary']}" for node in nodes[:3])
