"""Detects the S3 layout of the legacy system's rules, and warns if a plan changes where its mail is stored. Pure.

The legacy system stores mail for addresses at `emails/<domain>/` and for a catch-all at `emails/<domain>/catchall/`,
and its function reads it there. Our rules can use the same layout: `Layout` has the settings for it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from receipt_rules.planner.core.consequences import Consequence, ConsequenceKind
from receipt_rules.planner.core.rules import S3, RuleDelivery, domain_of


@dataclass(frozen=True)
class Layout:
    """`root` comes before each domain's name; `caught` comes after it for mail that a catch-all receives."""

    root: str
    caught: str = ""


def layout_warnings(found: Iterable[Consequence]) -> Iterator[str]:
    """Yield a warning for mail that moves to another S3 location, and the settings that keep the old layout."""
    moved = [
        each
        for each in found
        if each.kind is ConsequenceKind.REDIRECTED and _places(each.before) != _places(each.after)
    ]
    if not moved:
        return
    first, more = moved[0], f" and {len(moved) - 1:,} more" if len(moved) > 1 else ""
    old, new = (" and ".join(_places(some)) or "nowhere" for some in (first.before, first.after))
    yield (
        f"Mail for {first.who}{more} moves to another S3 location: {new} instead of {old}. Programs that read "
        "the old location won't find new mail there."
    )
    if layout := _layout_of(moved):
        caught = f" and RECEIVING_CATCH_ALL_PREFIX={layout.caught}" if layout.caught else ""
        yield (
            f"To keep the old layout, set RECEIVING_PREFIX={layout.root}, "
            f"RECEIVING_PREFIX_EACH_DOMAIN=1{caught}, restart, and update the plan."
        )


def _places(deliveries: Iterable[RuleDelivery]) -> tuple[str, ...]:
    stores = [action for each in deliveries for action in each.effective_actions if isinstance(action, S3)]
    return tuple(f"{store.bucket}/{store.prefix}" for store in stores)


def _layout_of(moved: Iterable[Consequence]) -> Layout | None:
    """Return the layout if every old location contains its domain's name under one root, else None."""
    parts = Counter(_parts(each) for each in moved)
    if None in parts:
        return None
    roots, caught = {root for root, _ in parts}, {tail for _, tail in parts if tail}  # type: ignore[misc]  # none is None
    return Layout(roots.pop(), caught.pop() if caught else "") if len(roots) == 1 and len(caught) <= 1 else None


def _parts(moved: Consequence) -> tuple[str, str] | None:
    stores = [action for each in moved.before for action in each.effective_actions if isinstance(action, S3)]
    if len(stores) != 1:
        return None
    root, name, caught = stores[0].prefix.partition(f"{domain_of(moved.address)}/")
    return (root, caught) if name else None
