"""What a customer's change is about, which plans are plain, and how many addresses they change. Pure."""

from collections.abc import Collection

from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.rules import Rule, broader_entries
from receipt_rules.planner.core.steps import Create, Delete, Step, Update


def changed_scope(recipients: Collection[str] | None, everything: frozenset[str]) -> frozenset[str]:
    """Return what the customer changed, and their recipients that a broader or narrower entry covers with it.

    `recipients` None: the change is about everything.
    """
    if recipients is None:
        return everything
    changed = frozenset(recipients)
    near = {each for each in everything if not changed.isdisjoint(broader_entries(each))}
    return everything & (changed | near | {above for each in changed for above in broader_entries(each)}) | changed


def is_plain(made: Plan) -> bool:
    """Return whether the plan changes, creates and deletes managed rules in place, and nothing else."""
    return made.method is Method.IN_PLACE and all(_is_plain_step(step) for step in made.steps)


def _is_plain_step(step: Step) -> bool:
    if isinstance(step, Delete):
        return isinstance(step.old, Rule)
    return isinstance(step, Create | Update)


def number_changed(made: Plan) -> int:
    """Return for how many addresses mail changes, and those that a catch-all received until now."""
    return max(len(made.consequences), _number_added(made))


def _number_added(made: Plan) -> int:
    """Return how many recipients the rules get."""
    before = {each for step in made.steps if isinstance(step, Delete | Update) for each in step.old.recipients}
    after = {each for step in made.steps if isinstance(step, Create | Update) for each in step.new.recipients}
    return len(after - before)
