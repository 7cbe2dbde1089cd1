"""What the Inbound tab says of mail follows what the live rules contain, whatever the endpoints are."""

import pytest

from domains.receiving.core import DELIVERED, MxFact, RulesFact
from receipt_rules.inbound_summary.core import Recipient, summary


def said(*addresses: Recipient, everything: Recipient | None = None, is_unread: bool = False) -> str:
    return summary(addresses, everything, None, domain="shop.com", is_unread=is_unread)


def address(name: str, rules: RulesFact = RulesFact.CARRIED, *, mx: MxFact = MxFact.HERE, to: str = "") -> Recipient:
    return Recipient(f"{name}@", rules, mx, to)


def test_what_no_live_rule_contains_is_counted_apart() -> None:
    new = [address(f"bulk{number}", RulesFact.WAITING) for number in range(305)]
    assert said(address("orders", to="Demo sink"), *new) == (
        "orders@ goes to Demo sink; 305 addresses aren't receiving yet: SES rejects their mail; "
        "all other mail is rejected."
    )
    assert said(address("new", RulesFact.WAITING, to="Desk")).startswith("new@ isn't receiving yet: SES rejects its")


def test_where_the_rules_could_not_be_read_mail_may_be_rejected() -> None:
    assert "new@ isn't receiving yet: SES may reject its mail" in said(
        address("new", RulesFact.WAITING), is_unread=True
    )


@pytest.mark.parametrize("mx", [MxFact.ELSEWHERE, MxFact.NOWHERE, MxFact.MAIL_MANAGER])
def test_ses_rejects_nothing_that_goes_elsewhere(mx: MxFact) -> None:
    assert said(address("new", RulesFact.WAITING, mx=mx)).startswith("new@ isn't receiving yet; ")


@pytest.mark.parametrize("rules", [each for each in RulesFact if each not in DELIVERED])
def test_only_what_a_live_rule_contains_goes_to_its_endpoint(rules: RulesFact) -> None:
    for to in ("", "Desk"):
        sentence = said(address("a", rules, to=to), everything=Recipient("", rules, MxFact.HERE, to))
        assert not {"goes to", "stored only"} & {part for part in ("goes to", "stored only") if part in sentence}


def test_a_live_catch_all_receives_for_what_waits() -> None:
    waiting = Recipient("new@", RulesFact.WAITING, MxFact.HERE, "Desk", is_covered=True)
    assert said(waiting, everything=Recipient("", RulesFact.CARRIED, MxFact.HERE)) == (
        "new@ goes to Desk; all other mail is stored only (no endpoint)."
    )


def test_a_rule_that_is_being_changed_promises_nothing() -> None:
    changing = Recipient("a@", RulesFact.CARRIED, MxFact.HERE, "Desk", is_changing=True)
    assert said(changing).startswith("a@ is changing: its receipt rule is being changed now; ")
    assert said(everything=changing).startswith("All mail at shop.com may be rejected: ")


def test_a_catch_all_that_is_off_and_still_in_the_rules_receives() -> None:
    assert summary([], None, None, domain="shop.com", is_ending=True) == (
        "All mail at shop.com is received until SES has turned the catch-all off."
    )
    assert said() == "No mail is received at shop.com yet."
