"""A form that is sent after the session ended: the input is there again once the same person has signed in."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from accounts.roles import Role
from operations.models import DriftCheck
from receipt_rules.models.runs import PendingChange
from tests.browser.axe import assert_accessible
from tests.browser.people import PASSWORD, sign_in
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_difference
from tests.receipt_rules.factories import make_verified

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ALICE, BOB = "alice@acme.example", "bob@other.example"


def send_without_a_session(page: Page) -> None:
    """Invite somebody after the session ended, and come to the sign-in."""
    page.get_by_label("Email address").fill("carol@acme.example")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text("You were signed out, so nothing was saved.")).to_be_visible()


def sign_in_again(page: Page, email: str) -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_the_input_is_back_after_the_sign_in(browser_page: Page) -> None:
    acme = make_customer("Acme")
    make_member(acme, email=ALICE)
    sign_in(browser_page, ALICE)
    browser_page.goto(f"/customers/{acme.pk}/")
    send_without_a_session(browser_page)
    sign_in_again(browser_page, ALICE)
    expect(browser_page.get_by_text("Your input from before the sign-in is back")).to_be_visible()
    expect(browser_page.get_by_label("Email address")).to_have_value("carol@acme.example")
    assert_accessible(browser_page)
    browser_page.get_by_role("button", name="Send invitation").click()
    expect(browser_page.locator("#people").get_by_text("Invitation sent to carol@acme.example")).to_be_visible()
    browser_page.reload()
    expect(browser_page.get_by_label("Email address")).to_have_value("")


def test_what_was_typed_is_back_after_a_poll_met_the_end_of_the_session(browser_page: Page) -> None:
    acme = make_customer("Acme")
    make_member(acme, email=ALICE)
    domain = make_verified("shop.com", customer=acme)
    PendingChange.objects.create(customer=acme, changed_at=timezone.now(), domains=[domain.pk])
    sign_in(browser_page, ALICE)
    browser_page.goto(reverse("receipt_rules:domain", args=[domain.pk]))
    browser_page.get_by_label("Address", exact=True).fill("billing")
    browser_page.context.clear_cookies(name="sessionid")
    browser_page.evaluate("htmx.trigger('#inbound', 'resume')")
    expect(browser_page.get_by_text("You were signed out. Sign in to continue.")).to_be_visible()
    sign_in_again(browser_page, ALICE)
    expect(browser_page.get_by_label("Address", exact=True)).to_have_value("billing")


def test_selected_rows_of_a_list_stay_selected_while_it_polls(browser_page: Page) -> None:
    """Also those that are selected while a poll waits for its answer."""
    olga = make_staff(Role.OPERATOR)
    selected = make_difference(make_customer("Acme"))
    DriftCheck.objects.create(region="eu-west-1", area="tenants", asked_at=timezone.now())
    sign_in(browser_page, olga.email)
    browser_page.goto(reverse("operations:differences"))
    row = browser_page.locator(f"input[value='{selected.pk}']")
    polls: list[Route] = []
    browser_page.route("**/differences/**", lambda route: route.continue_() if polls else polls.append(route))
    with browser_page.expect_request("**/differences/**"):
        browser_page.evaluate("htmx.trigger('#live', 'resume')")
    row.check()
    make_difference(make_customer("Other"), key="another")
    with browser_page.expect_response("**/differences/**"):
        polls[0].continue_()
    browser_page.evaluate("htmx.trigger('#live', 'resume')")
    browser_page.wait_for_timeout(1_000)
    expect(row).to_be_checked()


def test_another_person_who_signs_in_sees_nothing_of_it(browser_page: Page) -> None:
    acme, other = make_customer("Acme"), make_customer("Other")
    make_member(acme, email=ALICE)
    make_member(other, email=BOB)
    sign_in(browser_page, ALICE)
    browser_page.goto(f"/customers/{acme.pk}/")
    send_without_a_session(browser_page)
    sign_in_again(browser_page, BOB)
    browser_page.goto(f"/customers/{other.pk}/")
    expect(browser_page.get_by_label("Email address")).to_have_value("")
    assert browser_page.evaluate("sessionStorage.getItem('unsent-form')") is None


def test_an_earlier_form_that_was_saved_is_not_put_back(browser_page: Page) -> None:
    acme = make_customer("Acme")
    make_member(acme, email=ALICE)
    sign_in(browser_page, ALICE)
    browser_page.goto(f"/customers/{acme.pk}/")
    browser_page.get_by_label("Email address").fill("dan@acme.example")
    browser_page.get_by_role("button", name="Send invitation").click()
    expect(browser_page.locator("#people").get_by_text("Invitation sent to dan@acme.example")).to_be_visible()
    assert browser_page.evaluate("sessionStorage.getItem('unsent-form')") is None


def test_the_input_is_not_put_into_another_form_with_the_same_fields(browser_page: Page) -> None:
    acme = make_customer("Acme")
    make_member(acme, email=ALICE)
    sign_in(browser_page, ALICE)
    path = f"/customers/{acme.pk}/"
    browser_page.goto(path)
    send_without_a_session(browser_page)
    browser_page.evaluate(
        """() => { const kept = JSON.parse(sessionStorage.getItem("unsent-form"));
        kept.form = kept.form.replace("[", "[9"); sessionStorage.setItem("unsent-form", JSON.stringify(kept)); }"""
    )
    sign_in_again(browser_page, ALICE)
    expect(browser_page).to_have_url(re.compile(f"{path}$"))
    expect(browser_page.get_by_label("Email address")).to_have_value("")


def test_a_draft_that_never_met_the_sign_in_is_forgotten_once_nobody_is_signed_in(browser_page: Page) -> None:
    make_member(make_customer("Acme"), email=ALICE)
    sign_in(browser_page, ALICE)
    browser_page.evaluate(
        """() => sessionStorage.setItem("unsent-form", JSON.stringify({ user: "x", path: "/", fields: [],
        until: Date.now() + 60000, hasSignedOut: false }))"""
    )
    browser_page.context.clear_cookies(name="sessionid")
    browser_page.goto("/accounts/login/")
    assert browser_page.evaluate("sessionStorage.getItem('unsent-form')") is None


def test_no_url_is_kept_because_that_of_a_webhook_is_a_secret(browser_page: Page) -> None:
    make_member(make_customer("Acme"), email=ALICE)
    sign_in(browser_page, ALICE)
    browser_page.goto("/alerts/webhooks/new/")
    browser_page.get_by_label("Name").fill("Our chat")
    browser_page.get_by_label("URL").fill("https://hooks.example.com/services/s3cret")
    browser_page.context.clear_cookies(name="sessionid")
    browser_page.get_by_role("button", name="Add webhook").click()
    expect(browser_page.get_by_text("You were signed out, so nothing was saved.")).to_be_visible()
    kept = browser_page.evaluate("sessionStorage.getItem('unsent-form')")
    assert "Our chat" in kept
    assert "s3cret" not in kept
    sign_in_again(browser_page, ALICE)
    expect(browser_page.get_by_label("Name")).to_have_value("Our chat")
    expect(browser_page.get_by_label("URL")).to_have_value("")
