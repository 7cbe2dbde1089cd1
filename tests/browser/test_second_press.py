"""A button that is pressed twice sends its form once."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from receipt_rules.models.endpoints import Endpoint
from tests.browser.people import sign_in
from tests.factories import make_customer, make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_second_press_while_the_first_is_under_way_sends_nothing(browser_page: Page) -> None:
    make_member(make_customer("Acme"), email="alice@acme.example")
    sign_in(browser_page, "alice@acme.example")
    browser_page.goto(reverse("receipt_rules:add_endpoint"))
    browser_page.get_by_label("Name").fill("Desk")
    browser_page.get_by_label("Webhook URL").fill("https://example.com/mail")
    sent: list[Route] = []
    browser_page.route("**/*", lambda route: sent.append(route))  # noqa: PLW0108  # Playwright sets an attribute of it
    button = browser_page.get_by_role("button", name="Add endpoint")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box
    for _ in range(2):
        browser_page.mouse.click(box["x"] + 5, box["y"] + 5)
        browser_page.wait_for_timeout(200)
    assert [each.request.method for each in sent].count("POST") == 1


def test_a_form_can_be_sent_again_after_the_back_button(browser_page: Page) -> None:
    make_member(make_customer("Acme"), email="alice@acme.example")
    sign_in(browser_page, "alice@acme.example")
    browser_page.goto(reverse("receipt_rules:add_endpoint"))
    for name in ("Desk", "Sales"):
        browser_page.get_by_label("Name").fill(name)
        browser_page.get_by_label("Webhook URL").fill("https://example.com/mail")
        browser_page.get_by_role("button", name="Add endpoint").click()
        expect(browser_page.get_by_text(f"Added {name}.")).to_be_visible()
        browser_page.go_back()
    assert Endpoint.objects.count() == 2
