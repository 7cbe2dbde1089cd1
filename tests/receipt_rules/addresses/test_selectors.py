"""The filters of the address list agree with each row's status."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models.people import Customer
from domains.receiving.core import MxFact, ReceivingState, RulesFact
from receipt_rules.addresses.selectors import SHOWN, AddressListFilters, search_addresses
from receipt_rules.models.addresses import Address
from tests.factories import make_staff
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db

BLOCK = {"why": "w", "step": "s", "until": "2026-12-31T00:00:00+00:00", "policy_id": "1"}
GROUP_OF = {ReceivingState.LIVE: "live", ReceivingState.COULD_NOT_TELL: "unclear"}


@pytest.mark.parametrize("status", ["SUCCESS", "PENDING"])
@pytest.mark.parametrize("mx", [each for each in MxFact if each])
@pytest.mark.parametrize("receives", [True, False])
@pytest.mark.parametrize("block", [None, BLOCK])
def test_each_filter_shows_the_addresses_with_the_matching_status(
    alices: Customer, mx: MxFact, status: str, block: dict[str, str] | None, *, receives: bool
) -> None:
    mx_facts = dict.fromkeys(("shop.com", "eu.shop.com"), mx)
    fields = {"mx_facts": mx_facts, "identity_status": status, "receives": receives, "mta_sts_block": block}
    domain = make_verified("shop.com", customer=alices, **fields)
    for rules in set(RulesFact) - {RulesFact.CAUGHT}:  # only of a name
        for name in mx_facts:
            make_address(f"{rules or 'nothing'}@{name}", domain, rules=rules)
    staff = make_staff()
    shown = {
        group: set(search_addresses(viewer=staff, filters=AddressListFilters()).filter(SHOWN[group])) for group in SHOWN
    }
    for each in Address.objects.select_related("domain"):
        groups = [group for group in SHOWN if each in shown[group]]
        assert groups == [GROUP_OF.get(each.receiving.state, "waiting")], (each.rules, each.receiving)


@pytest.mark.parametrize("block", [None, BLOCK])
def test_the_status_of_a_listed_address_takes_no_query(
    alices: Customer, block: dict[str, Any] | None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_address("a@shop.com", make_verified("shop.com", customer=alices, mta_sts_block=block))
    (listed,) = search_addresses(viewer=make_staff(), filters=AddressListFilters())
    with django_assert_num_queries(0):
        assert listed.receiving
