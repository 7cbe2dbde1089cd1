"""`*@domain` in an unmanaged rule, refused by SES or taken literally, never matches all mail of the domain."""

import pytest
from botocore.exceptions import ClientError

from sandbox.process import Sandbox
from tests.receipt_rules.factories import (
    live,
    make_address,
    make_endpoint,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("belief", ["refused", "literal"])
def test_a_wildcard_in_an_unmanaged_rule_takes_no_address_from_our_rules(sandbox: Sandbox, belief: str) -> None:
    sandbox.control.set_beliefs(star_recipient=belief)
    operator = set_up_receiving()
    try:
        make_unmanaged_rule("theirs", ["*@shop.com"], rule_set="inbound-mail")
        was_created = True
    except ClientError:
        was_created = False
    assert was_created is (belief == "literal")
    assert rule_count("sales@shop.com") == 0
    shop = make_verified("shop.com")
    make_address("sales@shop.com", shop, endpoint=make_endpoint(shop.customer))
    set_up_receiving(operator)
    assert rule_count("sales@shop.com") == 1
    assert ("theirs" in [rule.name for rule in live().rules]) is was_created
