"""Receipt rules (ses.md B). moto stores rule sets and their life cycle; the missing validation is here."""

import copy
from collections.abc import Callable
from typing import Any

from moto.ses.responses import EmailResponse

from sandbox.aws.errors import SesRefusal, invalid_parameter, validation_error
from sandbox.aws.extension import Answer, Operation, Request, v1
from sandbox.aws.names import RECEIVING, check_service_name, is_recipient
from sandbox.aws.rule_actions import Rule, check_action
from sandbox.aws.state import WORLD

DEFAULTS: dict[str, object] = {"Enabled": False, "TlsPolicy": "Optional", "ScanEnabled": False}


def refuse_unless_receiving(region: str) -> None:
    if region not in RECEIVING:
        raise SesRefusal("InvalidAction", "Unavailable Operation")


def receiving(name: str) -> Callable[[Operation], Operation]:
    """Declare an operation of v1 that exists only in regions that receive mail."""

    def register(operation: Operation) -> Operation:
        def checked(ask: Request) -> Answer:
            refuse_unless_receiving(ask.state.region)
            return operation(ask)

        v1(name)(checked)
        return operation

    return register


def _only_where_received(*operations: str) -> None:
    """Refuse moto's own operations on rule sets in regions that don't receive mail."""
    for operation in operations:
        plain = getattr(EmailResponse, operation)

        def respond(self: Any, plain: Callable[[Any], Any] = plain) -> Any:
            refuse_unless_receiving(self.region)
            return plain(self)

        setattr(EmailResponse, operation, respond)


_only_where_received(
    "set_active_receipt_rule_set",
    "describe_receipt_rule_set",
    "describe_active_receipt_rule_set",
    "delete_receipt_rule_set",
    "list_receipt_rule_sets",
    "describe_receipt_rule",
)


def _rules(ask: Request) -> list[dict[str, Any]]:
    rule_set = ask.backend.receipt_rule_set.get(ask.text("RuleSetName"))
    if rule_set is None:
        raise SesRefusal("RuleSetDoesNotExistException", f"Rule set does not exist: {ask.text('RuleSetName')}")
    rules: list[dict[str, Any]] = rule_set.rules
    return rules


def _place(rules: list[dict[str, Any]], name: str) -> int:
    for place, rule in enumerate(rules):
        if rule["Name"] == name:
            return place
    raise SesRefusal("RuleDoesNotExistException", f"Rule does not exist: {name}")


def _behind(ask: Request, rules: list[dict[str, Any]]) -> int:
    """Return the position that `After` gives a rule; without it, the front."""
    after = ask.params.get("After")
    if after == "":
        raise validation_error("Value '' at 'after' failed to satisfy constraint: Member must not be empty.")
    return 0 if after is None else _place(rules, after) + 1


def _checked(ask: Request) -> dict[str, Any]:
    """Return the rule with SES's defaults. Counts are checked before syntax, as by SES."""
    rule = {**DEFAULTS, **copy.deepcopy(dict(ask.params["Rule"]))}
    recipients, actions, limits = rule.setdefault("Recipients", []), rule.setdefault("Actions", []), WORLD.limits
    if len(recipients) > limits.recipients:
        raise SesRefusal("LimitExceededException", "Too many recipients")
    if len(actions) > limits.actions:
        raise SesRefusal("LimitExceededException", "Too many actions")
    if rule["TlsPolicy"] not in ("Optional", "Require"):
        raise validation_error(f"Value '{rule['TlsPolicy']}' at 'rule.tlsPolicy' failed to satisfy constraint.")
    for recipient in recipients:
        if not _is_recipient(recipient) or recipient.lower() in WORLD.refused_recipients:
            raise invalid_parameter(f"Invalid recipient: {recipient}")
    for action in actions:
        check_action(Rule(ask.state, ask.text("RuleSetName"), rule["Name"]), action)
        _fill_in(action)
    return rule


def _fill_in(action: dict[str, Any]) -> None:
    if sns := action.get("SNSAction"):
        sns.setdefault("Encoding", "UTF-8")
    if function := action.get("LambdaAction"):
        function.setdefault("InvocationType", "Event")


def _check_room_for_set(ask: Request) -> None:
    if len(ask.backend.receipt_rule_set) >= WORLD.limits.rule_sets:
        raise SesRefusal("LimitExceededException", "Too many rule sets")


@receiving("CreateReceiptRuleSet")
def create_receipt_rule_set(ask: Request) -> Answer:
    name = ask.text("RuleSetName")
    check_service_name("ruleSetName", name)
    if name not in ask.backend.receipt_rule_set:
        _check_room_for_set(ask)
    ask.backend.create_receipt_rule_set(name)
    return None


@receiving("CloneReceiptRuleSet")
def clone_receipt_rule_set(ask: Request) -> Answer:
    check_service_name("ruleSetName", ask.text("RuleSetName"))
    _check_room_for_set(ask)
    ask.backend.clone_receipt_rule_set(ask.text("OriginalRuleSetName"), ask.text("RuleSetName"))
    return None


@receiving("CreateReceiptRule")
def create_receipt_rule(ask: Request) -> Answer:
    name = ask.params["Rule"]["Name"]
    check_service_name("ruleName", name)
    rules = _rules(ask)
    place = _behind(ask, rules)
    if any(rule["Name"] == name for rule in rules):
        raise SesRefusal("AlreadyExistsException", f"Rule already exists: {name}")
    if len(rules) >= WORLD.limits.rules:
        raise SesRefusal("LimitExceededException", "Too many rules")
    rules.insert(place, _checked(ask))
    return None


@receiving("UpdateReceiptRule")
def update_receipt_rule(ask: Request) -> Answer:
    rules = _rules(ask)
    place = _place(rules, ask.params["Rule"]["Name"])
    rules[place] = _checked(ask)
    return None


@receiving("DeleteReceiptRule")
def delete_receipt_rule(ask: Request) -> Answer:
    rules = _rules(ask)
    rules[:] = [rule for rule in rules if rule["Name"] != ask.text("RuleName")]
    return None


@receiving("SetReceiptRulePosition")
def set_receipt_rule_position(ask: Request) -> Answer:
    rules = _rules(ask)
    rule = rules[_place(rules, ask.text("RuleName"))]
    _behind(ask, rules)
    if ask.params.get("After") != rule["Name"]:
        rules.remove(rule)
        rules.insert(_behind(ask, rules), rule)
    return None


@receiving("ReorderReceiptRuleSet")
def reorder_receipt_rule_set(ask: Request) -> Answer:
    """It must name every rule of the set once, so a concurrent create makes it fail."""
    rules, order = _rules(ask), ask.texts("RuleNames")
    for name in order:
        _place(rules, name)
    if sorted(order) != sorted(rule["Name"] for rule in rules):
        raise invalid_parameter("All rules of the rule set must be named exactly once.")
    rules.sort(key=lambda rule: order.index(rule["Name"]))
    return None


def _is_recipient(recipient: str) -> bool:
    """A belief decides whether SES accepts an asterisk as a local part."""
    starred = recipient.startswith("*@") and WORLD.beliefs.star_recipient == "literal"
    return is_recipient(recipient.removeprefix("*@") if starred else recipient)
