"""While SES doesn't answer, pages show the newest successful read, whoever made it, and say how old it is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.models.domains import Domain
from receipt_rules.addresses import services as addresses_services
from receipt_rules.drift import services as drift_services
from receipt_rules.live import services as live_services
from receipt_rules.live.selectors import known_rules, last_known, last_read
from receipt_rules.models.runs import RulesAsRead, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.simulator.services import own_simulations
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tests.factories import make_member
from tests.receipt_rules.factories import make_unmanaged_rule, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
STOP = [{"StopAction": {"Scope": "RuleSet"}}]
RULES, SIMULATOR = "receipt_rules:rules", "receipt_rules:simulator"
NOW = {"now": "1"}  # in the URL: the rules are read from SES
READERS: dict[str, Callable[[Client], object]] = {
    "the page Rules": lambda client: client.get(reverse(RULES), NOW),
    "the page Simulator": lambda client: client.get(reverse(SIMULATOR)),
    "a plan": lambda client: planner_services.plan_changes(),
    "the check every minute": lambda client: watch_active_set(0),
    "the drift check": lambda client: drift_services.check_drift(),
}


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    domain = make_verified("shop.com")
    addresses_services.add_address(text="press@shop.com", customer=domain.customer, actor=None)
    return domain


@pytest.fixture
def olga_client(shop: Domain, client: Client) -> Client:
    client.force_login(set_up_receiving())
    Snapshot.objects.update(at=timezone.now() - timedelta(days=10))  # the last run
    RulesAsRead.objects.update(read_at=timezone.now() - timedelta(days=10))
    return client


def throttle(sandbox: Sandbox) -> None:
    for call in ("ses:DescribeActiveReceiptRuleSet", "ses:ListReceiptRuleSets"):
        sandbox.control.add_fault("throttle", call, times=None)


@pytest.mark.parametrize("reader", READERS)
def test_pages_show_the_newest_read_whoever_made_it(
    sandbox: Sandbox, olga_client: Client, shop: Domain, reader: str
) -> None:
    make_unmanaged_rule("press-freeze-test", ["press@shop.com"], actions=STOP)
    READERS[reader](olga_client)
    throttle(sandbox)
    rules = olga_client.get(reverse(RULES), NOW).text
    assert "Showing the rules as read" in rules
    assert "10 days" not in rules
    assert 'id="rule-1"' in rules
    assert "press-freeze-test" in rules
    assert 'id="drift"' in rules
    assert "stops all mail for 1 address" in rules
    assert ">Ignore…<" not in rules  # a decision requires an answer from SES
    simulated = olga_client.get(reverse(SIMULATOR) + "?addresses=press@shop.com").text
    assert "Showing the rules as read" in simulated
    assert "press-freeze-test stops" in simulated
    (own,) = own_simulations(viewer=make_member(shop.customer), asked=["press@shop.com"])
    assert own.receiving is not None
    assert not own.receiving.is_live


def test_the_overview_shows_the_capacity_of_the_last_read_and_its_time(olga_client: Client) -> None:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], actions=STOP)
    shown = olga_client.get(reverse(RULES), NOW).context["meters"]
    page = olga_client.get(reverse("operations:overview"))
    full = page.context["full"]
    assert [meter for meter, _ in full.meters][:2] == list(shown)[:2]
    assert timezone.now() - full.read_at < timedelta(minutes=1)
    assert "Rules and recipients as last read from SES <time" in page.text


def test_the_rules_page_shows_the_last_read_at_once_and_then_queries_ses(olga_client: Client) -> None:
    live_services.read_live()
    read = last_read()
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], actions=STOP)
    stored = olga_client.get(reverse(RULES)).text
    assert last_read() == read
    assert "Showing the rules as read <time" in stored
    assert "Read now" in stored
    assert "theirs" not in stored
    asked = stored.partition('<div id="live"')[2].partition('hx-get="')[2].partition('"')[0]
    part = olga_client.get(reverse(RULES) + asked, headers={"HX-Request": "true", "HX-Target": "live"}).text
    assert part.lstrip().startswith('<div id="live"')
    assert "theirs" in part
    assert ">Ignore…<" in part
    assert "Showing the rules as read" not in part
    assert "now=1" not in part
    assert "theirs" in olga_client.get(reverse(RULES)).text


def test_no_decision_is_offered_on_rules_that_were_not_read_just_now(olga_client: Client) -> None:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], actions=STOP)
    live_services.read_live()
    page = olga_client.get(reverse(RULES)).text
    assert 'id="drift"' in page
    assert ">Ignore…<" not in page
    assert "Accept all changes" not in page


def test_reading_the_rules_accepts_no_drift(olga_client: Client) -> None:
    kept, known = last_known(), known_rules()
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], actions=STOP)
    olga_client.get(reverse(RULES), NOW)
    assert (last_known(), known_rules()) == (kept, known)
    assert [each.kind for each in drift_services.differences(live_services.read_live())] == ["extra"]


def test_a_read_that_started_earlier_does_not_replace_a_newer_one(olga_client: Client) -> None:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], actions=STOP)
    live_services.read_live()
    live_services._store_read(RuleSet("inbound-mail"), timezone.now() - timedelta(seconds=5))
    read = last_read()
    assert read is not None
    assert "theirs" in read.rule_set.names


def test_pages_say_that_another_programs_rule_set_is_active(sandbox: Sandbox, olga_client: Client) -> None:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], actions=STOP, rule_set="somebodys", create_set=True)
    olga_client.get(reverse(RULES), NOW)
    throttle(sandbox)
    page = olga_client.get(reverse(RULES), NOW).text
    assert "Another program activated the rule set somebodys" in page
    assert "Adopt somebodys" not in page


def test_a_failed_read_keeps_the_previous_one(sandbox: Sandbox, olga_client: Client) -> None:
    olga_client.get(reverse(RULES), NOW)
    before = last_read()
    throttle(sandbox)
    olga_client.get(reverse(RULES), NOW)
    assert last_read() == before


def test_the_stored_rules_are_rewritten_only_if_they_differ(olga_client: Client) -> None:
    live_services.read_live()
    row = RulesAsRead.objects.get()
    live_services.read_live()
    again = RulesAsRead.objects.get()
    assert (again.digest, again.content) == (row.digest, row.content)
    assert again.read_at > row.read_at
