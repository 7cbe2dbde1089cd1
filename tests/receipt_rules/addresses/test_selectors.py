"""The filters of the address list agree with each row's status."""

import pytest

from accounts.models.people import Customer
from domains.receiving.core import MxFact, ReceivingState, RulesFact
from receipt_rules.addresses.selectors import SHOWN, AddressListFilters, search_addresses
from receipt_rules.models.addresses import Address
from tests.factories import make_staff
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db

GROUP_OF = {ReceivingState.LIVE: "live", ReceivingState.COULD_NOT_TELL: "unclear"}


@pytest.mark.parametrize("status", ["SUCCESS", "PENDING"])
@pytest.mark.parametrize("mx", [each for each in MxFact if each])
@pytest.mark.parametrize("receives", [True, False])
def test_each_filter_shows_the_addresses_with_the_matching_status(
    alices: Customer, mx: MxFact, status: str, *, receives: bool
) -> None:
    fields = {"mx_facts": {"shop.com": mx}, "identity_status": status, "receives": receives}
    domain = make_verified("shop.com", customer=alices, **fields)
    for rules in set(RulesFact) - {RulesFact.CAUGHT}:  # only of a name
        make_address(f"{rules or 'nothing'}@shop.com", domain, rules=rules)
    staff = make_staff()
    shown = {
        group: set(search_addresses(viewer=staff, filters=AddressListFilters()).filter(SHOWN[group])) for group in SHOWN
    }
    for each in Address.objects.select_related("domain"):
        groups = [group for group in SHOWN if each in shown[group]]
        assert groups == [GROUP_OF.get(each.receiving.state, "waiting")], (each.rules, each.receiving)
