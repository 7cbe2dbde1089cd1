"""The summary on the Inbound tab follows the live rules, whatever the endpoints are."""

import pytest

from domains.receiving.core import DELIVERED, MxFact, RulesFact
from receipt_rules.inbound_summary.core import Recipient, summary


def summary_of(*addresses: Recipient, everything: Recipient | None = None, is_unread: bool = False) -> str:
    return summary(addresses, everything, None, domain="shop.com", is_unread=is_unread)


def address(name: str, rules: RulesFact = RulesFact.CARRIED, *, mx: MxFact = MxFact.HERE, to: str = "") -> Recipient:
    return Recipient(f"{name}@", rules, mx, to)


def test_addresses_in_no_live_rule_are_counted_separately() -> None:
    new = [address(f"bulk{number}", RulesFact.WAITING) for number in range(305)]
    assert summary_of(address("orders", to="Demo sink"), *new) == (
        "orders@ goes to Demo sink; 305 addresses aren't receiving yet: SES rejects their mail; "
        "all other mail is rejected."
    )
    assert summary_of(address("new", RulesFact.WAITING, to="Desk")).startswith(
        "new@ isn't receiving yet: SES rejects its"
    )


def test_mail_may_be_rejected_if_the_rules_could_not_be_read() -> None:
    assert "new@ isn't receiving yet: SES may reject its mail" in summary_of(
        address("new", RulesFact.WAITING), is_unread=True
    )


@pytest.mark.parametrize("mx", [MxFact.ELSEWHERE, MxFact.NOWHERE, MxFact.MAIL_MANAGER])
def test_ses_rejects_no_mail_whose_mx_points_elsewhere(mx: MxFact) -> None:
    assert summary_of(address("new", RulesFact.WAITING, mx=mx)).startswith("new@ isn't receiving yet; ")


@pytest.mark.parametrize("rules", [each for each in RulesFact if each not in DELIVERED])
def test_only_addresses_in_a_live_rule_go_to_their_endpoint(rules: RulesFact) -> None:
    for to in ("", "Desk"):
        sentence = summary_of(address("a", rules, to=to), everything=Recipient("", rules, MxFact.HERE, to))
        assert not {"goes to", "stored only"} & {part for part in ("goes to", "stored only") if part in sentence}


def test_a_live_catch_all_receives_for_addresses_that_are_waiting() -> None:
    waiting = Recipient("new@", RulesFact.WAITING, MxFact.HERE, "Desk", is_covered=True)
    assert summary_of(waiting, everything=Recipient("", RulesFact.CARRIED, MxFact.HERE)) == (
        "new@ goes to Desk; all other mail is stored only (no endpoint)."
    )


def test_the_summary_promises_nothing_while_a_rule_is_being_changed() -> None:
    changing = Recipient("a@", RulesFact.CARRIED, MxFact.HERE, "Desk", is_changing=True)
    assert summary_of(changing).startswith("a@ is changing: its receipt rule is being changed now; ")
    assert summary_of(everything=changing).startswith("All mail at shop.com may be rejected: ")


def test_a_disabled_catch_all_receives_until_it_leaves_the_rules() -> None:
    assert summary([], None, None, domain="shop.com", is_ending=True) == (
        "All mail at shop.com is received until SES has turned the catch-all off."
    )
    assert summary_of() == "No mail is received at shop.com yet."
