"""The function reports deliveries to the API; customers and staff list them."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer
from receipt_rules.models.received_mail import ReceivedMail
from tests.api_client import Api, api_of, ok, refused
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_endpoint, make_operator

pytestmark = pytest.mark.django_db
URL = "/api/v2/deliveries"


@pytest.fixture
def function() -> Api:
    return Api(create_api_key(user=make_operator(), name="f", scopes=["report"], actor=None).secret)


def delivery(*recipients: str, **fields: Any) -> dict[str, Any]:
    now = timezone.now().isoformat()
    report = {"messageId": "abc", "receivedAt": now, "recipients": list(recipients), "outcome": "delivered", "at": now}
    return report | {"endpointId": None, "problem": "", "bytes": 10} | fields


def test_a_repeated_report_is_accepted_and_stored_once(function: Api) -> None:
    endpoint = make_endpoint(make_customer())
    body = {"deliveries": [delivery("a@shop.com", "b@shop.com", endpointId=endpoint.pk)]}
    assert ok(function.post(URL, body)) == {"accepted": 2}
    assert ok(function.post(URL, body)) == {"accepted": 2}
    assert ReceivedMail.objects.count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "lost"},
        {"at": "yesterday"},
        {"at": "2026-01-01T00:00:00"},
        {"recipients": []},
        {"messageId": "a b"},
        {"subject": "content has no place here"},
        {"bytes": -1},
    ],
)
def test_a_malformed_report_is_refused_as_a_whole(function: Api, wrong: dict[str, Any]) -> None:
    body = {"deliveries": [delivery("a@shop.com"), delivery("b@shop.com", **wrong)]}
    refused(function.post(URL, body), 400, "MALFORMED")
    assert not ReceivedMail.objects.exists()


def test_reporting_requires_the_scope_report(function: Api) -> None:
    alice = api_of(make_member(make_customer()))
    refused(alice.post(URL, {"deliveries": [delivery("a@shop.com")]}), 403, "SCOPE_MISSING")
    refused(function.get(URL), 403, "SCOPE_MISSING")


def test_customers_list_only_their_own_rows(function: Api) -> None:
    alices, bobs = make_customer("Alice Ltd"), make_customer("Bob Ltd")
    mine, other = make_endpoint(alices), make_endpoint(bobs)
    report = [delivery("a@alice.com", endpointId=mine.pk), delivery("b@bob.com", endpointId=other.pk)]
    ok(function.post(URL, {"deliveries": [*report, delivery("x@nobodys.example", outcome="unrouted")]}))
    alice = api_of(make_member(alices))
    assert [row["recipient"] for row in ok(alice.get(URL))["data"]] == ["a@alice.com"]
    bobs_row = ReceivedMail.objects.get(recipient="b@bob.com")
    assert ok(alice.get(f"{URL}?search=b@bob.com"))["data"] == []
    refused(alice.post(f"{URL}/{bobs_row.pk}/again", {}), 404, "NOT_FOUND")


def test_the_list_is_searched_by_address_message_id_and_outcome(function: Api) -> None:
    customer: Customer = make_customer()
    endpoint = make_endpoint(customer)
    report = [
        delivery("a@shop.com", endpointId=endpoint.pk, messageId="one"),
        delivery("b@shop.com", endpointId=endpoint.pk, messageId="two", outcome="failed", problem="500"),
    ]
    ok(function.post(URL, {"deliveries": report}))
    alice = api_of(make_member(customer))
    for query, expected in (("search=A@shop.com", "one"), ("search=two", "two"), ("outcome=failed", "two")):
        assert [row["messageId"] for row in ok(alice.get(f"{URL}?{query}"))["data"]] == [expected]
