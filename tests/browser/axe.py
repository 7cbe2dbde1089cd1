"""What axe finds on a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
_OPTIONS = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": _LEVELS}}


def assert_accessible(page: Page) -> None:
    """Axe finds nothing against WCAG 2.2 A and AA on the page as it stands now."""
    found = Axe().run(page, options=_OPTIONS)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
