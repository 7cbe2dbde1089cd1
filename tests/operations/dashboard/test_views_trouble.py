"""The overview shows rules that can't be read and endpoints that don't accept mail."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from accounts.roles import Role
from notifications.models.alerts import Alert
from operations.drift.services import import_rule_drift
from operations.models import ItemState, Migration, MigrationItem
from receipt_rules.drift import services as drift_services
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.pipeline import services as pipeline_services
from receipt_rules.received_mail.services import record_deliveries
from receipt_rules.receiving_setup.core import SetupVerdict
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint, make_report, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
OVERVIEW = "operations:overview"


@pytest.fixture
def alices() -> Customer:
    return make_customer("Pelican Freight")


@pytest.fixture
def endpoint(sandbox: Sandbox, alices: Customer) -> Endpoint:
    made = make_endpoint(alices, name="CRM")
    make_address("a@shop.com", make_verified("shop.com", customer=alices), endpoint=made)
    return made


def fail_deliveries(endpoint: Endpoint, times: int = 3) -> None:
    for _ in range(times):
        report = make_report(
            "a@shop.com", endpoint=endpoint, outcome="failed", problem="It answered 500.", message="one"
        )
        record_deliveries(reports=[report], now=timezone.now())


def test_a_failing_endpoint_is_shown_in_the_list_and_on_the_overview(
    client: Client, endpoint: Endpoint, alices: Customer
) -> None:
    lists = reverse("receipt_rules:endpoints")
    client.force_login(make_member(alices))
    assert "Failing" not in client.get(lists).text
    fail_deliveries(endpoint)
    assert Alert.objects.filter(kind="endpoint.failing", state="open").exists()
    for viewer in (make_member(alices), set_up_receiving()):
        client.force_login(viewer)
        assert "Failing" in client.get(lists).text
        assert "Failing" in client.get(reverse("receipt_rules:endpoint", args=[endpoint.pk])).text
        assert "1 endpoint isn&#x27;t accepting mail: CRM" in client.get(reverse(OVERVIEW)).text
    client.force_login(make_member(make_customer("Bob")))
    assert "accepting mail" not in client.get(reverse(OVERVIEW)).text


def test_the_functions_alert_names_the_failing_endpoints(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_receiving()
    fail_deliveries(endpoint)
    sentence = pipeline_services._failing_endpoints(timezone.now() - pipeline_services.LOST_FOR)
    assert sentence == "Endpoints that don't accept mail: CRM of Pelican Freight (1 message)."


def test_rules_that_could_not_be_read_are_reported_until_the_next_read(sandbox: Sandbox, client: Client) -> None:
    client.force_login(set_up_receiving())
    drift_services.check_drift()
    import_rule_drift()
    where = [reverse(OVERVIEW), reverse("operations:differences")]
    assert not any("read from SES at the last check" in client.get(url).text for url in where)
    sandbox.control.add_fault("throttle", "ses:DescribeActiveReceiptRuleSet", times=None)
    watch_active_set(0)
    assert "Rules could not be read from SES at the last check" in client.get(where[0]).text
    assert "We couldn’t read rules from SES" in client.get(where[1]).text
    sandbox.control.clear_faults()
    watch_active_set(0)
    assert "could not be read from SES" not in client.get(where[0]).text


@pytest.mark.parametrize("role", [None, *Role])
def test_every_attention_item_links_to_a_page_that_the_viewer_can_open(
    sandbox: Sandbox, client: Client, role: Role | None
) -> None:
    set_up_receiving()
    drift_services.check_drift()
    import_rule_drift()
    sandbox.control.add_fault("throttle", "ses:DescribeActiveReceiptRuleSet", times=None)
    watch_active_set(0)
    client.force_login(make_staff(role) if role else make_member())
    page = client.get(reverse(OVERVIEW))
    needs = page.context["needs"]
    assert any("could not be read from SES" in need.sentence for need in needs) == bool(role)
    for need in needs:
        assert client.get(f"{reverse(need.page)}?{need.query}").status_code == 200, need.sentence


def test_every_setup_requirement_is_listed_even_if_ses_fails(sandbox: Sandbox, client: Client) -> None:
    client.force_login(set_up_receiving())
    check = reverse("receipt_rules:check")
    before = [each.what for each in client.get(check).context["findings"]]
    for call in ("ses:DescribeActiveReceiptRuleSet", "ses:ListReceiptRuleSets"):
        sandbox.control.add_fault("error", call, times=None)
    findings = client.get(check).context["findings"]
    assert [each.what for each in findings] == before
    assert next(each for each in findings if each.what == "Rule set").verdict is SetupVerdict.COULD_NOT_TELL


def test_the_overview_counts_customers_that_could_not_be_migrated(client: Client) -> None:
    client.force_login(make_staff(Role.OPERATOR))
    first, second = make_customer("Northwind"), make_customer("Acme")
    for customer, state in ((first, ItemState.FAILED), (second, ItemState.FAILED), (second, ItemState.DONE)):
        migration = Migration.objects.create(region=settings.AWS_REGION, chosen="customer", policy="standard")
        MigrationItem.objects.create(migration=migration, customer=customer, number=1, state=state)
    page = client.get(reverse("operations:overview")).text
    assert "1 customer could not be migrated" in page
