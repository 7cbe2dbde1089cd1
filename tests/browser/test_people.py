"""An owner invites a colleague, who joins in a separate browser."""

import re

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import sign_in
from tests.factories import make_customer, make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_colleague_joins_by_the_link_in_the_email(browser_page: Page, new_page: NewPage, picture: Picture) -> None:
    acme = make_customer("Acme")
    make_member(acme, email="alice@acme.example", first_name="Alice")
    sign_in(browser_page, "alice@acme.example")
    browser_page.goto(f"/customers/{acme.pk}/")
    browser_page.get_by_label("Email address").fill("carol@acme.example")
    browser_page.get_by_role("button", name="Send invitation").click()
    expect(browser_page.locator("#people").get_by_text("Invitation sent to carol@acme.example")).to_be_visible()
    picture(browser_page, "customer")

    link = re.search(r"http\S+/customers/invitation/\S+", str(mail.outbox[0].body))
    assert link
    carols = new_page(color_scheme="dark", viewport={"width": 360, "height": 740})
    carols.goto(link[0])
    carols.get_by_label("Your name").fill("Carol")
    picture(carols, "invitation_phone")
    carols.get_by_label("Choose a password").fill("a long sentence that nobody says")
    carols.get_by_role("button", name="Join Acme").click()
    expect(carols.get_by_text("You joined Acme.")).to_be_visible()
    expect(carols.get_by_role("heading", name="First steps")).to_be_visible()
    picture(carols, "joined_phone")
    assert_accessible(carols)
    assert_accessible(browser_page)
    browser_page.reload()
    expect(browser_page.get_by_role("row", name=re.compile("Carol"))).to_be_visible()


def test_a_mistake_in_an_invitation_is_shown_at_the_field(browser_page: Page) -> None:
    acme = make_customer("Acme")
    make_member(acme, email="alice@acme.example")
    sign_in(browser_page, "alice@acme.example")
    browser_page.goto(f"/customers/{acme.pk}/")
    browser_page.get_by_label("Email address").fill("alice@acme.example")
    browser_page.get_by_role("button", name="Send invitation").click()
    expect(browser_page.get_by_text("Email address: alice@acme.example already belongs to Acme.")).to_be_visible()
