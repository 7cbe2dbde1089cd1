"""Mail that SES rejects though its rule was right: another customer's subdomain, and IP filters that block senders."""

import smtplib

import pytest

from accounts.models.people import User
from domains.models.domains import Domain
from inbound_admin.lib import aws
from notifications.models.alerts import Alert
from receipt_rules.addresses import services as addresses_services
from receipt_rules.inbound_summary.selectors import inbound_summary
from receipt_rules.models.addresses import CatchAll
from receipt_rules.receiving import services as receiving_services
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tests.receipt_rules.factories import approve_and_run, live, make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
SPLIT = (
    "SES rejects all mail for subdomains of shop.com: another account has proven one of the subdomains, and a receipt "
    "rule can't leave one out. Add the other subdomains as domains, or add their addresses. Our team has been notified."
)
FILTERED = "SES rejects all mail for shop.com: an IP filter in SES blocks all senders. Our team has been notified."


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    return make_verified("shop.com", mx_facts={"shop.com": "here", "*.shop.com": "here"})


def test_a_subdomain_catch_all_that_another_customers_proof_ends_says_so_and_alerts_owner_and_operators(
    shop: Domain,
) -> None:
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)
    olga = set_up_receiving()
    assert rule_count("a@other.shop.com") == 1
    make_verified("deep.track.shop.com")
    approve_and_run(olga, typed="inbound-mail")
    receiving_services.record_live_rules(live(), is_ours=True)
    shop.refresh_from_db()
    (below,) = shop.receiving_below
    assert (below.state, below.sentence) == ("rejected", SPLIT)
    assert Alert.objects.get(kind="domain.rejects_mail", customer_id=shop.customer_id).why == SPLIT
    alert = Alert.objects.get(kind="receiving.split", state="open")
    assert alert.why.startswith("SES rejects mail for 1 recipient of 1 customer: .shop.com.")
    assert [notice.person for notice in alert.notices.all()] == [olga]
    Domain.objects.get(name="deep.track.shop.com").delete()
    approve_and_run(olga)
    receiving_services.record_live_rules(live(), is_ours=True)
    assert CatchAll.objects.get().rules == "carried"
    alert.refresh_from_db()
    assert alert.state == "recovered"


@pytest.fixture
def olga(shop: Domain) -> User:
    addresses_services.set_catch_all(domain=shop, actor=None)
    return set_up_receiving()


def block(cidr: str, policy: str = "Block") -> None:
    found = {"Name": f"{policy}-{cidr.partition('/')[2]}", "IpFilter": {"Cidr": cidr, "Policy": policy}}
    aws.client("ses").create_receipt_filter(Filter=found)


def test_a_filter_that_blocks_all_senders_turns_all_mail_red_within_a_minute_and_green_again(
    shop: Domain, olga: User
) -> None:
    watch_active_set(0)
    block("0.0.0.0/0")
    watch_active_set(60)
    shop.refresh_from_db()
    assert (shop.receiving.state, shop.receiving.sentence) == ("rejected", FILTERED)
    alert = Alert.objects.get(kind="receiving.filtered", state="open")
    assert alert.why == "SES rejects mail from all senders: Block-0 blocks 0.0.0.0/0. Delete these filters in SES."
    assert (alert.severity, [notice.person for notice in alert.notices.all()]) == ("high", [olga])
    receiving_services.record_live_rules(live(), is_ours=True)
    assert CatchAll.objects.get().rules == "filtered"
    aws.client("ses").delete_receipt_filter(FilterName="Block-0")
    watch_active_set(120)
    shop.refresh_from_db()
    alert.refresh_from_db()
    assert (shop.receiving.state, alert.state) == ("live", "recovered")


@pytest.mark.parametrize(
    ("cidrs", "much"),
    [
        (["0.0.0.0/1"], "50% of all senders: Block-1 blocks 0.0.0.0/1."),
        (["10.0.0.0/8"], "0.391% of all senders: Block-8 blocks 10.0.0.0/8."),
    ],
)
def test_a_filter_that_blocks_very_many_senders_alerts_operators_alone(
    shop: Domain, olga: User, cidrs: list[str], much: str
) -> None:
    for cidr in cidrs:
        block(cidr)
    watch_active_set(0)
    assert Alert.objects.get(kind="receiving.filtered", state="open").why.startswith(f"SES rejects mail from {much}")
    shop.refresh_from_db()
    assert shop.receiving.state == "live"


def test_filters_that_block_few_or_leave_some_senders_reject_nobodys_mail_as_a_whole(shop: Domain, olga: User) -> None:
    block("203.0.113.0/24")
    watch_active_set(0)
    assert not Alert.objects.filter(kind="receiving.filtered").exists()
    block("0.0.0.0/0")
    block("198.51.100.0/24", "Allow")
    watch_active_set(60)
    alert = Alert.objects.get(kind="receiving.filtered", state="open")
    assert alert.why.startswith("SES rejects mail from all senders except those that another filter allows:")
    shop.refresh_from_db()
    assert shop.receiving.state == "live"


def test_the_inbound_tab_names_the_filter(shop: Domain, olga: User) -> None:
    block("0.0.0.0/0")
    watch_active_set(0)
    shop.refresh_from_db()
    assert "an IP filter in SES blocks all senders" in inbound_summary(shop).sentence


def test_the_sandbox_rejects_a_sender_that_a_filter_blocks(sandbox: Sandbox, olga: User) -> None:
    block("127.0.0.0/8")
    host, _, port = sandbox.smtp_address.rpartition(":")
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.ehlo()
        smtp.mail("a@else.com")
        assert smtp.rcpt("a@shop.com")[0] == 550
