"""`*@domain` in the rule of somebody else: refused by SES or taken literally, it is never all mail of a domain."""

import pytest
from botocore.exceptions import ClientError

from sandbox.process import Sandbox
from tests.receipt_rules.factories import (
    foreign_rule,
    live,
    make_address,
    make_endpoint,
    make_verified,
    set_up_receiving,
    taken,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("belief", ["refused", "literal"])
def test_an_asterisk_takes_no_address_away_from_our_rules(sandbox: Sandbox, belief: str) -> None:
    sandbox.control.set_beliefs(star_recipient=belief)
    operator = set_up_receiving()
    try:
        foreign_rule("theirs", ["*@shop.com"], rule_set="inbound-mail")
        was_taken = True
    except ClientError:
        was_taken = False
    assert was_taken is (belief == "literal")
    assert taken("sales@shop.com") == 0
    shop = make_verified("shop.com")
    make_address("sales@shop.com", shop, endpoint=make_endpoint(shop.customer))
    set_up_receiving(operator)
    assert taken("sales@shop.com") == 1
    assert ("theirs" in [rule.name for rule in live().rules]) is was_taken
