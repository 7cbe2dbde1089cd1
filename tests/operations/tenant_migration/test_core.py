"""Derive steps from an inventory; the gate and the hourly limit."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from operations.tenant_migration.core import (
    HOUR,
    Inventory,
    MigrationResource,
    StepKind,
    calls,
    missing,
    plan,
    seconds_left,
    wait_seconds,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def make_inventory(*identities: MigrationResource, **fields: bool) -> Inventory:
    own = MigrationResource("configuration-set", "shop", "arn:set/shop", is_associated=fields.pop("set_is_in", False))
    plain = {"is_created": False, "has_policy": False, "set_is_made": False} | fields
    return Inventory(tenant="shop-1", configuration_set=own, identities=identities, **plain)  # type: ignore[arg-type]  # booleans


def identity(name: str, **fields: bool) -> MigrationResource:
    return MigrationResource("identity", name, f"arn:identity/{name}", **fields)


def test_a_customer_costs_six_calls_three_for_each_domain_and_the_list_of_identities() -> None:
    for number in range(5):
        steps = plan(make_inventory(*(identity(f"d{each}.com") for each in range(number))))
        assert calls(steps) == 1 + 6 + 3 * number
        assert steps[-1].kind == StepKind.SWITCH
        assert steps[-2].kind == StepKind.GATE


def test_completed_steps_are_listed_without_calls() -> None:
    done = identity("shop.com", is_associated=True, has_default_read=True)
    full = make_inventory(
        done, is_created=True, has_policy=True, set_is_made=True, set_is_in=True, has_status=True, is_switched=True
    )
    assert full.is_complete
    assert calls(plan(full)) == 0
    assert len(plan(full)) == len(plan(make_inventory(identity("shop.com"))))


def test_an_identity_is_read_and_checked_first() -> None:
    kinds = [step.kind for step in plan(make_inventory(identity("shop.com")))]
    at = kinds.index(StepKind.ASSOCIATE)
    assert kinds[at - 2 : at] == [StepKind.DEFAULT_SET, StepKind.LOOK]


def test_the_gate_names_the_resources_that_ses_does_not_list() -> None:
    inventory = make_inventory(identity("a.com"), identity("b.com"))
    assert missing(inventory.resources, ["arn:identity/a.com", "arn:set/shop", "arn:else"]) == ("b.com",)
    assert missing(inventory.resources, [each.arn for each in inventory.resources]) == ()


@given(st.lists(st.integers(0, 7200), max_size=40), st.integers(1, 10))
def test_waiting_as_computed_never_exceeds_the_hourly_limit(gaps: list[int], most: int) -> None:
    starts: list[datetime] = []
    now = NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        now += timedelta(seconds=wait_seconds(now, starts, most))
        starts.append(now)
        assert sum(moment > now - HOUR for moment in starts) <= most


def test_without_a_limit_there_is_no_waiting() -> None:
    assert wait_seconds(NOW, [NOW] * 100, None) == 0


def test_the_time_left_follows_from_the_slower_limit() -> None:
    assert seconds_left(100, 900, None) == 900
    assert seconds_left(100, 900, 10) == 9 * 3600
