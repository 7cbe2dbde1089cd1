"""An old system activates its own rule set at night: each page reports it, and one button opens the restore plan."""

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from inbound_admin.lib import aws
from operations.drift import services as board_services
from receipt_rules.drift import services as drift_services
from sandbox.process import Sandbox
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as
from tests.browser.threads import run_in_thread
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import (
    make_address,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    set_up_receiving,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390))


def check_drift() -> None:
    drift_services.check_drift()
    board_services.import_rule_drift()


def insert_stop_rule() -> None:
    rule = {"Name": "corp-060", "Enabled": True, "Recipients": ["shop.com"]}
    rule["Actions"] = [{"StopAction": {"Scope": "RuleSet"}}]
    aws.client("ses").create_receipt_rule(RuleSetName="inbound-mail", Rule=rule)
    aws.client("ses").set_receipt_rule_position(RuleSetName="inbound-mail", RuleName="corp-060")
    check_drift()


def activate_old_system() -> None:
    make_unmanaged_rule("theirs", ["else.com"], rule_set="postbox-2019", create_set=True)
    check_drift()


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_outage_is_the_first_line_and_links_to_the_restore_plan(
    sandbox: Sandbox, live_server: LiveServer, new_page: NewPage, picture: Picture, scheme: str, width: int
) -> None:
    olga, alice_ltd = make_operator(), make_customer("Alice Ltd")
    shop = make_verified("shop.com", customer=alice_ltd, mail_from_label="")
    make_address("first@shop.com", shop)
    run_in_thread(set_up_receiving, olga)
    run_in_thread(insert_stop_rule)
    page = new_page(color_scheme=scheme, viewport={"width": width, "height": 844})
    log_in_as(page.context, olga, live_server.url)
    page.goto("/operations/differences/")
    expect(page.get_by_text("corp-060 stops all mail for 1 address of 1 customer")).to_be_visible()
    picture(page, f"harm-{scheme}-{width}")
    run_in_thread(activate_old_system)
    for number, path in enumerate(("/operations/", "/operations/differences/", "/inbound/rules/")):
        page.goto(path)
        banner = page.get_by_role("alert", name="Receiving outage")
        expect(banner).to_contain_text("Another program activated the rule set postbox-2019")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        picture(page, f"outage-{number}-{scheme}-{width}")
    assert_accessible(page)
    banner.get_by_role("link", name="Restore").click()
    expect(page.get_by_text("Activate the rule set inbound-mail instead of postbox-2019").first).to_be_visible()
    picture(page, f"outage-plan-{scheme}-{width}")
    theirs = new_page(color_scheme=scheme, viewport={"width": width, "height": 844})
    log_in_as(theirs.context, make_member(alice_ltd), live_server.url)
    theirs.goto(f"/domains/{shop.pk}/")
    expect(theirs.get_by_text("Inbound mail is disrupted")).to_be_visible()
    picture(theirs, f"outage-customer-{scheme}-{width}")
