"""Tenants in SES are compared with our rows."""

from dataclasses import replace

import pytest

from operations.drift.core import OurTenant, SesTenant, compare_tenants

SET, SHOP = "arn:aws:ses:eu-west-1:1:configuration-set/shop", "arn:aws:ses:eu-west-1:1:identity/shop.com"
OURS = OurTenant(
    "shop-1", "arn:t/1", "cus_1", "Shop", "standard", is_paused=False, associated={SET: "shop", SHOP: "shop.com"}
)
THEIRS = SesTenant("shop-1", "arn:t/1", frozenset([SET, SHOP]), "standard", "ENABLED")


def kinds(
    ours: OurTenant | None, theirs: SesTenant | None, owners: dict[str, tuple[str, str]] | None = None
) -> list[str]:
    return [each.kind for each in compare_tenants([ours] if ours else [], [theirs] if theirs else [], owners or {})]


def test_equal_sides_have_no_difference() -> None:
    assert kinds(OURS, THEIRS) == []


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        (None, "missing"),
        (replace(THEIRS, arn="arn:t/2"), "replaced"),
        (replace(THEIRS, policy="none"), "policy"),
        (replace(THEIRS, staff="DISABLED"), "status"),
        (replace(THEIRS, resources=frozenset([SET])), "not_associated"),
        (replace(THEIRS, resources=THEIRS.resources | {"arn:aws:ses:eu-west-1:1:template/x"}), "also_associated"),
    ],
)
def test_each_difference_has_its_kind(theirs: SesTenant | None, kind: str) -> None:
    assert kinds(OURS, theirs) == [kind]


def test_changes_in_progress_are_no_difference() -> None:
    in_progress = replace(OURS, policy=None, is_paused=None, associated={SET: "shop"}, going=frozenset([SHOP]))
    assert kinds(in_progress, replace(THEIRS, policy="none", staff="DISABLED")) == []


def test_policy_and_status_are_not_compared_if_ses_returns_none() -> None:
    assert kinds(replace(OURS, is_paused=True, policy="strict"), replace(THEIRS, policy="", staff="")) == []


def test_reinstated_counts_as_sending() -> None:
    assert kinds(OURS, replace(THEIRS, staff="REINSTATED")) == []
    assert kinds(replace(OURS, is_paused=True), replace(THEIRS, staff="REINSTATED")) == ["status"]


def test_an_unknown_status_is_no_pause() -> None:
    assert kinds(OURS, replace(THEIRS, staff="QUARANTINED")) == []


def test_an_unknown_tenant_is_offered_to_the_customer_with_most_of_its_resources() -> None:
    other = "arn:aws:ses:eu-west-1:1:identity/b.com"
    theirs = replace(THEIRS, resources=frozenset([SHOP, other, f"{other}.uk"]))
    owners = {SHOP: ("cus_1", "Shop"), other: ("cus_2", "B"), f"{other}.uk": ("cus_2", "B")}
    (found,) = compare_tenants([], [theirs], owners)
    assert (found.kind, found.customer_id, found.may_adopt, found.may_restore) == ("unknown", "cus_2", True, False)


def test_the_key_changes_with_either_side() -> None:
    keys = {
        compare_tenants([replace(OURS, policy=ours)], [replace(THEIRS, policy=theirs)], {})[0].key
        for ours, theirs in (("standard", "none"), ("standard", "strict"), ("strict", "none"))
    }
    assert len(keys) == 3
