"""Each user chooses how dense pages are; compact shows ten changes of the log on a desktop screen."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models.people import Density, User
from accounts.roles import Role
from audit import services as audit_services
from audit.services import Subject
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as
from tests.factories import make_staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WHOLE = "(entries) => entries.filter((it) => it.getBoundingClientRect().bottom <= innerHeight).length"


def make_changes(actor: User, count: int) -> None:
    for number in range(count):
        audit_services.record(
            "domain.mail_from",
            about=Subject("domain", f"dom_{number}", f"shop-{number}.example.com"),
            actor=actor,
            because="The customer asked for it on the phone.",
            before={"mail_from": f"bounce.shop-{number}.example.com"},
            after={"mail_from": f"mail.shop-{number}.example.com"},
            aws_request_ids=["11111111-2222-3333-4444-555555555555"],
            for_staff=True,
        )


def entries_on_the_screen(page: Page) -> int:
    return int(page.locator(".change").evaluate_all(WHOLE))


def test_compact_shows_ten_changes_on_a_screen(new_page: NewPage, live_server: LiveServer, picture: Picture) -> None:
    adam = make_staff(Role.ADMIN, email="adam@us.example")
    make_changes(adam, 20)
    page = new_page(color_scheme="light", viewport={"width": 1280, "height": 800})
    log_in_as(page.context, adam, live_server.url)
    page.goto(reverse("operations:changes"))
    assert entries_on_the_screen(page) < 10

    page.goto(reverse("accounts:account"))
    page.get_by_label("Compact").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    adam.refresh_from_db()
    assert adam.density == Density.COMPACT
    page.goto(reverse("operations:changes"))
    assert entries_on_the_screen(page) >= 10
    assert_accessible(page)
    picture(page, "changes_compact")


def test_compact_changes_nothing_on_a_phone(new_page: NewPage, live_server: LiveServer) -> None:
    adam = make_staff(Role.ADMIN, email="adam@us.example")
    make_changes(adam, 3)
    page = new_page(color_scheme="light", viewport={"width": 390, "height": 844})
    log_in_as(page.context, adam, live_server.url)
    page.goto(reverse("operations:changes"))
    height = page.locator(".change").first.bounding_box()
    adam.density = Density.COMPACT
    adam.save(update_fields=["density"])
    page.goto(reverse("operations:changes"))
    assert page.locator(".change").first.bounding_box() == height
