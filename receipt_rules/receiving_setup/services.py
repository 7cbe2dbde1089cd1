"""Checks whether this deployment can receive: the region, the rule set, and each bucket, function and topic.

Each finding has its fix. Policies are evaluated as they are now. SES itself tests bucket, function and topic whenever a
rule is written; the runs have its last response. A failed read is "could not tell", never "missing".
"""

from collections.abc import Callable, Iterator
from functools import partial

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from domains.checking.core.judgement import State
from domains.domain_list.selectors import domains_in_region
from domains.mta_sts.core import PolicyEffect
from domains.receiving.core import ReceivingState
from domains.records.core import can_receive
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem, Refused
from receipt_rules.deliveries.services import role_for
from receipt_rules.function_key.selectors import key_report
from receipt_rules.live import gateway as live_gateway
from receipt_rules.live.core import block_everybody
from receipt_rules.live.selectors import last_read
from receipt_rules.live.services import Live, read_live
from receipt_rules.mail_manager.services import check_mail_manager
from receipt_rules.models.runs import Run, RunState
from receipt_rules.permissions import services as permissions_services
from receipt_rules.permissions.services import Grant, format_policy
from receipt_rules.planner.core.rules import S3, RuleSet, is_ours
from receipt_rules.receiving_setup import gateway
from receipt_rules.receiving_setup.core import (
    SID,
    Button,
    PolicyAnswer,
    SetupFinding,
    SetupVerdict,
    could_not_tell,
    evaluate_all,
    first_of,
    read_policy,
    ses_statement,
    with_statement,
)
from receipt_rules.receiving_stack.services import stack_findings
from receipt_rules.runs.selectors import pending_approval_count

MOST_CHECKED = 10  # of each kind, because the page waits for the checks
ROLE = "Set RECEIVING_BUCKET_ROLE to a role that SES can assume, or use a bucket in a region where SES receives mail."
NO_RULES = "It depends on the receipt rules, which we couldn't read."
UNCLEAR = "has conditions that we can't evaluate."
TRIED = "SES tests it whenever a rule is written; the run shows its response."
CREATE_KEY = "Create one with manage.py create_api_key, scopes route and report (docs/first-hour.md)."
_Check = Callable[[str, RuleSet], SetupFinding]


def check_resources(rule_set: RuleSet) -> Iterator[SetupFinding]:
    """Check each bucket, function and topic with one to three calls, none of which uses the SES rate limit."""
    yield from _each("Bucket", permissions_services.buckets, _bucket, rule_set)
    yield from _each("Function", permissions_services.functions, _function, rule_set)
    yield from _each("Topic", permissions_services.topics, _topic, rule_set)


def _each(what: str, named: Callable[[], tuple[str, ...]], check: _Check, rule_set: RuleSet) -> Iterator[SetupFinding]:
    try:
        names = named()
    except AwsProblem as problem:
        yield could_not_tell(what, problem)
        return
    for name in names[:MOST_CHECKED]:
        yield _checked(what, name, check, rule_set)
    if (more := len(names) - MOST_CHECKED) > 0:
        yield SetupFinding(what, SetupVerdict.COULD_NOT_TELL, f"{more:,} more used by endpoints weren't checked.")


def _checked(what: str, name: str, check: _Check, rule_set: RuleSet) -> SetupFinding:
    try:
        return check(name, rule_set)
    except AwsMissing:
        repair = (
            f"Create it in this account{'' if what == 'Bucket' else f' in {settings.AWS_REGION}'}, or set another: "
        )
        return SetupFinding(what, SetupVerdict.WRONG, f"{name} doesn't exist.", f"{repair}{_where_named(what)}")
    except (AwsProblem, Refused) as problem:
        return could_not_tell(what, problem)


def _where_named(what: str) -> str:
    return f"the default is the setting RECEIVING_{what.upper()}; an endpoint can have its own."


def _bucket(name: str, rule_set: RuleSet) -> SetupFinding:
    region = gateway.get_bucket_location(name)
    grant = permissions_services.bucket_grant(name, rule_set)
    fine = f", which is fine: SES in {settings.AWS_REGION} can write to buckets in other regions"
    where = f"{name} is in {region}{fine if region != settings.AWS_REGION and can_receive(region) else ''}."
    if role := role_for(name):
        sentence = f"{where} SES writes to it with the role {role}, which we don't check."
        return SetupFinding("Bucket", SetupVerdict.COULD_NOT_TELL, sentence, TRIED, shown=grant.current)
    if not can_receive(region):
        sentence = f"{where} SES doesn't receive mail there, so it can only write to that bucket with an IAM role."
        return SetupFinding("Bucket", SetupVerdict.WRONG, sentence, ROLE, shown=grant.current)
    return _judged("Bucket", where, grant, "write", Button.BUCKET_POLICY)


def _function(arn: str, rule_set: RuleSet) -> SetupFinding:
    if elsewhere := _elsewhere("Function", arn):
        return elsewhere
    state = gateway.get_function(arn).state
    if state == "Failed":
        repair = "It can't be invoked. Check it in the Lambda console."
        return SetupFinding("Function", SetupVerdict.WRONG, f"{arn} is in the state {state}.", repair)
    grant = permissions_services.function_grant(arn, rule_set)
    return _judged("Function", f"{arn} exists.", grant, "call it", Button.FUNCTION_PERMISSION)


def _judged(what: str, where: str, grant: Grant, does: str, button: Button) -> SetupFinding:
    shown, name = grant.current, grant.name
    if grant.answer is PolicyAnswer.ALLOWED:
        sentence = f"{where} Its policy lets SES in this account {does}."
        return SetupFinding(what, SetupVerdict.RIGHT, sentence, shown=shown)
    if grant.answer is PolicyAnswer.UNCLEAR:
        sentence = f"{where} Its policy {UNCLEAR}"
        offered = Button.NONE if grant.blocked_because else button
        return SetupFinding(what, SetupVerdict.COULD_NOT_TELL, sentence, TRIED, _paste(grant), shown, offered, name)
    if grant.blocked_because:
        return SetupFinding(
            what, SetupVerdict.WRONG, f"{where} {grant.blocked_because}", "Change this in AWS.", "", shown
        )
    sentence = f"{where} Its policy doesn't let SES in this account {does} for every managed rule."
    if not shown:
        sentence = f"{where} No policy lets SES {does}."
    repair = "Add the statement. Existing statements stay."
    return SetupFinding(what, SetupVerdict.WRONG, sentence, repair, _paste(grant), shown, button, name)


def _paste(grant: Grant) -> str:
    """Return the policy to paste; for a function the command, because Lambda accepts no whole policy."""
    if grant.blocked_because:
        return ""
    return grant.result if ":function:" not in grant.name else permission_command(grant.name)


def permission_command(arn: str) -> str:
    """Return the command that lets SES invoke the function."""
    return (
        f"aws lambda add-permission --function-name {arn} --statement-id {SID} "
        f"--action lambda:InvokeFunction --principal ses.amazonaws.com --source-account {aws.account_id()} "
        f"--region {settings.AWS_REGION}"
    )


def _topic(arn: str, rule_set: RuleSet) -> SetupFinding:
    if elsewhere := _elsewhere("Topic", arn):
        return elsewhere
    found, topic = partial(SetupFinding, "Topic"), gateway.get_topic_attributes(arn)
    try:
        policy = read_policy(topic.policy)
    except ValueError:
        return found(SetupVerdict.COULD_NOT_TELL, f"We couldn't read the policy of {arn}.", TRIED)
    answer, shown = evaluate_all(policy, permissions_services.topic_calls(arn, rule_set)), format_policy(policy)
    if answer is PolicyAnswer.UNCLEAR:
        return found(SetupVerdict.COULD_NOT_TELL, f"{arn} exists. Its policy {UNCLEAR}", TRIED, shown=shown)
    if answer is not PolicyAnswer.ALLOWED:
        sentence = f"{arn} exists. Its policy doesn't let SES in this account publish."
        statement = ses_statement(action="sns:Publish", resource=arn, account=aws.account_id())
        paste = format_policy(with_statement(policy, statement))
        return found(SetupVerdict.WRONG, sentence, "Paste the policy in SNS.", paste)
    if topic.kms_key:
        sentence = f"{arn} is encrypted with {topic.kms_key}; we can't tell whether SES can use that key."
        return found(SetupVerdict.COULD_NOT_TELL, sentence, TRIED, shown=shown)
    return found(SetupVerdict.RIGHT, f"{arn} exists. SES in this account can publish to it.", shown=shown)


def _elsewhere(what: str, arn: str) -> SetupFinding | None:
    """SES can only call functions and topics of its own region (ses.md B)."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        return SetupFinding(
            what, SetupVerdict.WRONG, f"{arn} isn't an ARN.", f"Enter the full ARN: {_where_named(what)}"
        )
    if parts[3] == settings.AWS_REGION:
        return None
    sentence = f"{arn} is in {parts[3]}, but SES here can only use resources in {settings.AWS_REGION}."
    return SetupFinding(what, SetupVerdict.WRONG, sentence, f"Use one in this region: {_where_named(what)}")


def check_setup() -> tuple[SetupFinding, ...]:
    """Return all findings, with two to four calls to SES, and up to three for each bucket, function and topic."""
    region = _region()
    if region.verdict is SetupVerdict.WRONG:
        return (region,)
    try:
        live = read_live()
        rule_set, of_set, of_keys = live.rule_set, _rule_set(live), _keys(live)
    except AwsProblem as problem:  # each requirement stays listed, and what doesn't depend on the rules is checked
        read = last_read()
        rule_set = read.rule_set if read else RuleSet(str(settings.RULE_SET))
        of_set = could_not_tell("Rule set", problem)
        of_keys = SetupFinding("Encryption", SetupVerdict.COULD_NOT_TELL, NO_RULES)
    places = check_resources(rule_set)
    return (
        region,
        of_set,
        *places,
        *_function_key(),
        *stack_findings(),
        of_keys,
        _ip_filters(),
        *_tls(),
        *check_mail_manager(),
        *_last_run(),
        *_waiting(),
    )


def _region() -> SetupFinding:
    name = settings.AWS_REGION
    if can_receive(name):
        return SetupFinding("Region", SetupVerdict.RIGHT, f"SES receives mail in {name}.")
    repair = "Set AWS_REGION to a region where SES receives mail, and add the domains there."
    return SetupFinding("Region", SetupVerdict.WRONG, f"SES doesn't receive mail in {name}.", repair)


def _rule_set(live: Live) -> SetupFinding:
    found = partial(SetupFinding, "Rule set")
    if live.unmanaged_set is not None:
        name, number = live.unmanaged_set.name, len(live.unmanaged_set.rules)
        sentence = f"The active rule set is {name}, with {number:,} rules. It isn't managed here."
        repair = "Adopt it on the Rules page to keep its rules and add ours, or use another region."
        return found(SetupVerdict.WRONG, sentence, repair)
    if not live.is_active:
        repair = "Approve the plan on the Plan page. It creates and activates the rule set."
        return found(SetupVerdict.WRONG, "No rule set is active: SES rejects all mail in this region.", repair)
    number = len(live.rule_set.rules)
    has = "1 rule" if number == 1 else f"{number:,} rules"
    return found(SetupVerdict.RIGHT, f"{live.rule_set.name} is active and managed; it has {has}.")


def _keys(live: Live) -> SetupFinding:
    """A key in the S3 action is client-side encryption, which no Python client can read (ses.md B)."""
    ours = [rule for rule in live.rule_set.rules if is_ours(rule.name)]
    actions = [(rule.name, action) for rule in ours for action in rule.delivery.actions]
    keyed = [name for name, action in actions if isinstance(action, S3) and action.kms_key]
    if not keyed:
        return SetupFinding("Encryption", SetupVerdict.RIGHT, "No KMS encryption. Stored mail is readable.")
    sentence = f"{first_of(keyed)} {'names' if len(keyed) == 1 else 'name'} a KMS key: we can't read the stored mail."
    repair = "Restore the rules on the Rules page, and use bucket encryption (SSE) instead."
    return SetupFinding("Encryption", SetupVerdict.WRONG, sentence, repair)


def _ip_filters() -> SetupFinding:
    found = partial(SetupFinding, "IP filters")
    try:
        filters = live_gateway.list_receipt_filters()
        everybody = block_everybody(filters)
    except (AwsProblem, ValueError) as problem:
        return found(SetupVerdict.COULD_NOT_TELL, str(problem))
    listed = first_of([str(each) for each in filters])
    if everybody:
        repair = "Delete the block filters in SES, unless only mail from the allow filters should arrive."
        return found(SetupVerdict.WRONG, f"They block all senders: {listed}.", repair)
    none = "None. SES itself blocks mail from EC2 and from known abusers."
    return found(SetupVerdict.RIGHT, f"Evaluated before any rule: {listed}." if filters else none)


def _tls() -> tuple[SetupFinding, ...]:
    """With TLS required, SES bounces mail without it, and only MTA-STS tells senders beforehand. Reads our own rows."""
    if not settings.RECEIVING_TLS_REQUIRED:
        return ()
    live = domains_in_region().filter(receiving_state=ReceivingState.LIVE)
    found = Q(record_checks__state=State.VERIFIED) | Q(record_checks__last_known__state=State.VERIFIED)
    announced = Q(record_checks__key="mta-sts") & found  # also if it was when last found
    served = Q(mta_sts__effect__in=(PolicyEffect.ENFORCED, PolicyEffect.TESTING))
    with_it = live.filter(announced & served)
    names = list(live.exclude(pk__in=with_it.values("pk")).order_by("name").values_list("name", flat=True))
    if not names:
        return ()
    sentence = (
        f"SES bounces mail that comes without TLS, but no MTA-STS policy asks senders to use TLS: {first_of(names)}."
    )
    repair = "Publish MTA-STS for these domains and host the policy, or set RECEIVING_TLS_REQUIRED=0."
    return (SetupFinding("TLS", SetupVerdict.COULD_NOT_TELL, sentence, repair),)


def _function_key() -> tuple[SetupFinding, ...]:
    """Check the key with which the function looks up each message's endpoint. Reads our own rows."""
    found = key_report(timezone.now())
    if problem := found.refused or found.missing or found.expiring:
        repair = CREATE_KEY if found.missing and not found.refused else ""
        return (SetupFinding("API key", SetupVerdict.WRONG, problem, repair),)
    return (SetupFinding("API key", SetupVerdict.RIGHT, found.fine),) if found.fine else ()


def _last_run() -> tuple[SetupFinding, ...]:
    """Return a finding only if the last run failed: SES then refused something that the policies don't show."""
    over = Run.objects.filter(region=settings.AWS_REGION, state__in=(RunState.FAILED, RunState.DONE))
    last = over.order_by("-ended_at").first()
    if last is None or last.state == RunState.DONE:
        return ()
    repair = "Fix the problem, then approve a new plan."
    return (SetupFinding("Last run", SetupVerdict.WRONG, f"It failed. {last.problem}", repair),)


def _waiting() -> tuple[SetupFinding, ...]:
    waiting = pending_approval_count()
    if not waiting:
        return ()
    whose = "a customer's change is waiting" if waiting == 1 else f"the changes of {waiting} customers are waiting"
    sentence = f"{whose[0].upper()}{whose[1:]} for an operator."
    return (SetupFinding("Pending changes", SetupVerdict.WRONG, sentence, "Review and approve the plan."),)
