"""The list of received mail at a large operator's size: every page uses an index."""

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.api_keys.services import create_api_key
from accounts.models.people import User
from receipt_rules.endpoints.services import SesOptions, change_endpoint
from receipt_rules.models.addresses import CatchAll
from receipt_rules.planner.core.rules import S3
from receipt_rules.planner.services import read_desired_state
from receipt_rules.received_mail.selectors import ReceivedFilters, received_for
from receipt_rules.route_lookup.selectors import route_lookup, stores_of
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_verified

pytestmark = pytest.mark.django_db
ROWS = 20_000
FILL = """
    INSERT INTO receipt_rules_receivedmail
        (id, message_id, recipient, customer_id, domain_id, endpoint_id, received_at, outcome, problem, tries,
         reported_at)
    SELECT 'rcv_' || n, 'message' || n, 'a' || n %% 500 || '@shop.com', %(customer)s, %(domain)s, %(endpoint)s,
        now() - n * interval '1 second', CASE WHEN n %% 1000 = 0 THEN 'failed' ELSE 'delivered' END, '', 1, now()
    FROM generate_series(1, %(rows)s) AS n
"""


@pytest.fixture
def alice() -> User:
    customers = [make_customer("Alice Ltd"), make_customer("Bob Ltd")]
    for number, customer in enumerate(customers):
        domain = make_verified(f"shop{number}.com", customer=customer)
        ids = {"customer": customer.pk, "domain": domain.pk, "endpoint": make_endpoint(customer).pk}
        with connection.cursor() as cursor:
            cursor.execute(FILL.replace("'rcv_'", f"'rcv{number}_'"), {**ids, "rows": ROWS})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE receipt_rules_receivedmail")
    return make_member(customers[0])


SEARCHES = (
    ReceivedFilters(),
    ReceivedFilters(show="failed"),
    ReceivedFilters(q="a7@shop.com"),
    ReceivedFilters(q="message77"),
    ReceivedFilters(q="shop0.com"),
)


def test_no_page_scans_the_whole_table(alice: User) -> None:
    for viewer in (alice, make_staff()):
        for filters in SEARCHES:
            rows = received_for(viewer)
            plan = filters.search(rows).values_list("pk", flat=True)[:51].explain()
            assert "Seq Scan on receipt_rules_receivedmail" not in plan, (filters, plan)
            assert int(filters.counts(rows)["held"]) == 0


@pytest.mark.parametrize("each_domain", [False, True])
@pytest.mark.parametrize("catch_all_prefix", ["", "caught/"])
@pytest.mark.parametrize("has_catch_all", [False, True])
def test_the_function_reads_where_the_plan_stores_mail(
    settings: Settings, sandbox: Sandbox, each_domain: bool, catch_all_prefix: str, has_catch_all: bool
) -> None:
    """Check an address with a default endpoint, and one whose endpoint has its own bucket."""
    settings.RECEIVING_PREFIX, settings.RECEIVING_PREFIX_EACH_DOMAIN = "mail/", each_domain
    settings.RECEIVING_CATCH_ALL_PREFIX = catch_all_prefix
    customer = make_customer()
    shop = make_verified("shop.com", customer=customer)
    make_address("a@shop.com", shop, endpoint=make_endpoint(customer, s3_bucket="their-mail", s3_prefix="in/"))
    make_address("b@shop.com", shop, endpoint=make_endpoint(customer))
    if has_catch_all:
        CatchAll.objects.create(domain=shop, endpoint=make_endpoint(customer))
    desired = read_desired_state().desired
    for route in route_lookup(["a@shop.com", "b@shop.com"]):
        delivery = desired.entries[desired.covered.get(route.recipient, route.recipient)]
        (stored,) = (action for action in delivery.actions if isinstance(action, S3))
        assert (stored.bucket, stored.prefix) in [(each.bucket, each.prefix) for each in stores_of(route)]


def test_mail_that_a_former_endpoint_stored_is_found_after_the_address_has_another(settings: Settings) -> None:
    """The rules are changed later: within seconds, or once an operator approves it."""
    settings.RECEIVING_BUCKET, settings.RECEIVING_PREFIX = "mail", "in/"
    customer = make_customer()
    own = make_endpoint(customer, name="Own", s3_bucket="their-mail", s3_prefix="a/")
    make_endpoint(make_customer("Bob Ltd"), s3_bucket="bobs-mail")
    row = make_address("a@shop.com", make_verified("shop.com", customer=customer), endpoint=own)
    default, theirs = {"bucket": "mail", "prefix": "in/"}, {"bucket": "their-mail", "prefix": "a/"}
    assert _stores("a@shop.com") == [theirs, default]
    row.endpoint = make_endpoint(customer, name="Default")
    row.save()
    assert _stores("a@shop.com") == [default, theirs], "and never another customer's"


def test_mail_that_an_endpoint_stored_under_an_earlier_prefix_is_found(settings: Settings) -> None:
    settings.RECEIVING_BUCKET, settings.RECEIVING_PREFIX = "mail", "in/"
    endpoint = make_endpoint(make_customer())
    make_address("a@shop.com", make_verified("shop.com", customer=endpoint.customer), endpoint=endpoint)
    for bucket, prefix in (("", "a/"), ("", "b/"), ("theirs", ""), ("", "b/"), ("", "")):
        options = SesOptions(s3_bucket=bucket, s3_prefix=prefix)
        change_endpoint(endpoint=endpoint, actor=None, ses=options)
    places = [("mail", "in/"), ("mail", "b/"), ("theirs", "in/"), ("mail", "a/")]
    assert _stores("a@shop.com") == [{"bucket": bucket, "prefix": prefix} for bucket, prefix in places]


def _stores(recipient: str) -> list[dict[str, str]]:
    key = create_api_key(user=make_operator(), name="the function", scopes=["route"], actor=None).secret
    asked, headers = {"recipients": [recipient]}, {"Authorization": f"Bearer {key}"}
    answer = Client().post("/api/v2/route-lookup", asked, "application/json", headers=headers)
    found: list[dict[str, str]] = answer.json()["data"][0]["stores"]
    return found
