"""Random desired states and rule sets for the property tests of the core, small enough that names collide often."""

from hypothesis import strategies as st

from receipt_rules.planner.core.desired import DesiredEntries, without_covered
from receipt_rules.planner.core.rules import (
    PREFIX,
    S3,
    AnyRule,
    ForeignRule,
    Invocation,
    Lambda,
    Opaque,
    Rule,
    RuleDelivery,
    RuleLimits,
    RuleSet,
    Stop,
)

LIMITS = RuleLimits(rules=60, recipients=3, rule_sets=40)
HANDLER = Lambda("arn:aws:lambda:eu-west-1:123456789012:function:inbound-mail-handler")
DELIVERIES = tuple(RuleDelivery((S3("inbound-mail", f"{name}/"), HANDLER)) for name in ("shared", "alice", "bob"))
DOMAINS = ("alice.example", "bob.example", "in.alice.example", "deep.in.alice.example")
ADDRESSES = tuple(f"{local}@{domain}" for local in ("ann", "ann+x", "billing", "me") for domain in DOMAINS)
RECIPIENTS = (*ADDRESSES, *DOMAINS, *(f".{domain}" for domain in DOMAINS[:3]))
STRANGERS = tuple(f"nobody@{domain}" for domain in (*DOMAINS, "any.bob.example", "elsewhere.example"))

recipients = st.sampled_from(RECIPIENTS)
deliveries = st.sampled_from(DELIVERIES)
desired_deliveries: st.SearchStrategy[dict[str, RuleDelivery]] = st.dictionaries(recipients, deliveries, max_size=12)


def owner(name: str) -> str:
    """Return a customer for each domain but the deepest, which belongs to the customer of the top."""
    return name.removeprefix("deep.in.")


SHARED_ENTRIES = frozenset({".alice.example", ".in.alice.example"})
desired_states: st.SearchStrategy[DesiredEntries] = st.one_of(
    desired_deliveries.map(without_covered),
    desired_deliveries.map(lambda wanted: without_covered(wanted, shared=SHARED_ENTRIES, owner=owner)),
)
envelopes = st.lists(st.sampled_from((*ADDRESSES, *STRANGERS)), min_size=1, max_size=4, unique=True).map(tuple)

_STORES = S3("theirs")
_FOREIGN_ACTIONS = (
    (_STORES,),
    (_STORES, Stop()),
    (Stop(),),
    (Opaque("WorkmailAction", "{}"),),
    (Opaque("NewAction", "{}"),),
    (Lambda("arn:aws:lambda:eu-west-1:123456789012:function:theirs", Invocation.REQUEST_RESPONSE),),
)
_own_names = st.builds(
    lambda first, number: f"{PREFIX}-{'first-' if first else ''}{number:03}", st.booleans(), st.integers(1, 12)
)
_some = st.lists(recipients, min_size=1, max_size=3, unique=True).map(tuple)
_ours: st.SearchStrategy[AnyRule] = st.builds(Rule, _own_names, deliveries, _some, st.sampled_from((True, True, False)))


def _unmanaged(names: st.SearchStrategy[str]) -> st.SearchStrategy[AnyRule]:
    return st.builds(
        lambda name, actions, some, enabled: ForeignRule(
            name, f"{name} {actions}", RuleDelivery(actions), some, enabled
        ),
        names,
        st.sampled_from(_FOREIGN_ACTIONS),
        st.one_of(_some, _some, st.just(())),
        st.booleans(),
    )


_theirs = _unmanaged(st.sampled_from(("theirs-1", "theirs-2", "theirs-3")))
_damaged = _unmanaged(_own_names)
_rules = st.lists(st.one_of(_ours, _ours, _ours, _theirs, _damaged), max_size=8, unique_by=lambda rule: rule.name)

# Anything that a person could have left: duplicates, disabled, damaged or misplaced rules.
rule_sets: st.SearchStrategy[RuleSet] = _rules.map(lambda rules: RuleSet("inbound", tuple(rules)))


def unmanaged_only(rule_set: RuleSet) -> RuleSet:
    """Return the set without rules that have our prefix."""
    return RuleSet(rule_set.name, tuple(rule for rule in rule_set.rules if not rule.name.startswith(PREFIX)))
