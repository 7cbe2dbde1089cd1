"""Actions of a person at the sandbox's DNS host, in a separate window."""

from playwright.sync_api import Locator, Page, expect


def open_zone(window: Page, zone: str) -> None:
    window.bring_to_front()
    window.goto(f"/sandbox/zones/{zone}/")


def row(window: Page, key: str) -> Locator:
    return window.locator(f"#zone li[id^='row-{key}.']")


def publish(window: Page, key: str) -> None:
    """Press Publish next to the record and wait until it is published."""
    row(window, key).get_by_role("button", name="Publish").click()
    expect(row(window, key).get_by_text("Published", exact=True)).to_be_visible()


def publish_all(window: Page) -> None:
    window.get_by_role("button", name="Publish missing records").click()
    expect(window.locator("main").get_by_text("No records are missing.")).to_be_visible()


def make_mistake(window: Page, key: str, title: str) -> None:
    own = row(window, key)
    own.locator("summary").click()
    own.get_by_role("combobox").select_option(label=title)
    own.get_by_role("button", name="with this mistake").click()
    expect(row(window, key).get_by_text("broken:")).to_be_visible()


def fix(window: Page, key: str) -> None:
    window.bring_to_front()
    row(window, key).get_by_role("button", name="Fix").click()
    expect(row(window, key).get_by_text("Published", exact=True)).to_be_visible()
