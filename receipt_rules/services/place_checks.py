"""Whether SES can use each bucket, function and topic: what Amazon says of it, never what it did not say."""

from collections.abc import Callable, Iterator

from django.conf import settings

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsDenied, AwsMissing, AwsProblem, Refused
from receipt_rules.core.findings import Button, Finding, Verdict
from receipt_rules.core.policies import SID, Answer, judge_all, merged, read_policy, ses_statement
from receipt_rules.core.rules import RuleSet
from receipt_rules.gateway import lambda_, s3, sns
from receipt_rules.services import letting_in, places
from receipt_rules.services.letting_in import Letting
from receipt_rules.services.places import pretty

MOST_LOOKED_AT = 10  # of each kind: the page waits for them
LOOK_ALLOWED = "Give our credentials the permissions that the README lists, then look again."
UNCLEAR = "has conditions that we cannot judge."
TRIED = "Amazon tries it whenever a rule is written, and the run says what it answered."
_Look = Callable[[str, RuleSet], Finding]


def look_at_places(rule_set: RuleSet) -> Iterator[Finding]:
    """One to three calls for each; none of them waits for the pace of SES."""
    yield from _each("Bucket", places.buckets, _bucket, rule_set)
    yield from _each("Function", places.functions, _function, rule_set)
    yield from _each("Topic", places.topics, _topic, rule_set)


def _each(what: str, named: Callable[[], tuple[str, ...]], look: _Look, rule_set: RuleSet) -> Iterator[Finding]:
    try:
        names = named()
    except AwsProblem as problem:
        yield Finding(what, Verdict.COULD_NOT_TELL, str(problem))
        return
    for name in names[:MOST_LOOKED_AT]:
        yield _looked(what, name, look, rule_set)
    if (more := len(names) - MOST_LOOKED_AT) > 0:
        yield Finding(what, Verdict.COULD_NOT_TELL, f"{more} more that endpoints name were not looked at.")


def _looked(what: str, name: str, look: _Look, rule_set: RuleSet) -> Finding:
    try:
        return look(name, rule_set)
    except AwsMissing:
        repair = f"Make it in this account{'' if what == 'Bucket' else f' in {settings.AWS_REGION}'}, or name another: "
        return Finding(what, Verdict.WRONG, f"{name} does not exist.", f"{repair}{_where_named(what)}")
    except (AwsProblem, Refused) as problem:
        repair = LOOK_ALLOWED if isinstance(problem, AwsDenied) else ""
        return Finding(what, Verdict.COULD_NOT_TELL, str(problem), repair)


def _where_named(what: str) -> str:
    return f"the default is the setting RECEIVING_{what.upper()}, an endpoint may have its own."


def _bucket(name: str, rule_set: RuleSet) -> Finding:
    region = s3.get_bucket_location(name)
    letting = letting_in.bucket_letting(name, rule_set)
    where = f"{name} is in {region}."
    return _judged("Bucket", where, letting, "Its policy", "write", Button.BUCKET_POLICY)


def _function(arn: str, rule_set: RuleSet) -> Finding:
    if elsewhere := _elsewhere("Function", arn):
        return elsewhere
    state = lambda_.get_function(arn)
    if state == "Failed":
        repair = "Look at it in Lambda: it cannot be called."
        return Finding("Function", Verdict.WRONG, f"{arn} is in the state {state}.", repair)
    letting = letting_in.function_letting(arn, rule_set)
    return _judged("Function", f"{arn} exists.", letting, "Its policy", "call it", Button.FUNCTION_PERMISSION)


def _judged(what: str, where: str, letting: Letting, whose: str, does: str, button: Button) -> Finding:
    shown, name = letting.there, letting.name
    if letting.answer is Answer.ALLOWED:
        sentence = f"{where} {whose} lets SES of this account {does}."
        return Finding(what, Verdict.RIGHT, sentence, shown=shown)
    if letting.answer is Answer.UNCLEAR:
        sentence = f"{where} {whose} {UNCLEAR}"
        offered = Button.NONE if letting.stops else button
        return Finding(what, Verdict.COULD_NOT_TELL, sentence, TRIED, _paste(letting), shown, offered, name)
    if letting.stops:
        return Finding(what, Verdict.WRONG, f"{where} {letting.stops}", "Change that at Amazon.", "", shown)
    sentence = f"{where} {whose} does not let SES of this account {does} for every rule of ours."
    if not shown:
        sentence = f"{where} It has no policy that lets SES {does}."
    repair = "Add the statement. What is there stays."
    return Finding(what, Verdict.WRONG, sentence, repair, _paste(letting), shown, button, name)


def _paste(letting: Letting) -> str:
    """For a function the command, since Lambda takes no whole policy."""
    if letting.stops:
        return ""
    return letting.becomes if ":function:" not in letting.name else permission_command(letting.name)


def permission_command(arn: str) -> str:
    """The command that lets SES invoke the function."""
    return (
        f"aws lambda add-permission --function-name {arn} --statement-id {SID} "
        f"--action lambda:InvokeFunction --principal ses.amazonaws.com --source-account {aws.account_id()} "
        f"--region {settings.AWS_REGION}"
    )


def _topic(arn: str, rule_set: RuleSet) -> Finding:
    if elsewhere := _elsewhere("Topic", arn):
        return elsewhere
    topic = sns.get_topic_attributes(arn)
    try:
        policy = read_policy(topic.policy)
    except ValueError:
        return Finding("Topic", Verdict.COULD_NOT_TELL, f"The policy of {arn} cannot be read.", TRIED)
    answer, shown = judge_all(policy, places.topic_calls(arn, rule_set)), pretty(policy)
    if answer is Answer.UNCLEAR:
        return Finding("Topic", Verdict.COULD_NOT_TELL, f"{arn} exists. Its policy {UNCLEAR}", TRIED, shown=shown)
    if answer is not Answer.ALLOWED:
        sentence = f"{arn} exists. Its policy does not let SES of this account publish."
        statement = ses_statement(action="sns:Publish", resource=arn, account=aws.account_id())
        return Finding("Topic", Verdict.WRONG, sentence, "Paste the policy in SNS.", pretty(merged(policy, statement)))
    if topic.kms_key:
        sentence = f"{arn} is encrypted with {topic.kms_key}; whether SES may use that key we cannot see."
        return Finding("Topic", Verdict.COULD_NOT_TELL, sentence, TRIED, shown=shown)
    return Finding("Topic", Verdict.RIGHT, f"{arn} exists. SES of this account may publish to it.", shown=shown)


def _elsewhere(what: str, arn: str) -> Finding | None:
    """SES calls functions and topics of its own region alone (ses.md B)."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        return Finding(what, Verdict.WRONG, f"{arn} is no ARN.", f"Write it whole: {_where_named(what)}")
    if parts[3] == settings.AWS_REGION:
        return None
    sentence = f"{arn} is in {parts[3]}, and SES here uses what is in {settings.AWS_REGION} alone."
    return Finding(what, Verdict.WRONG, sentence, f"Name one that is here: {_where_named(what)}")
