"""Lets SES write to a bucket and call a function: shown first, then done by an operator. Both may be repeated."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from changes import services as changes
from changes.models import new_change_id
from changes.services import Subject
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsUnreachable, Refused
from receipt_rules.core.policies import (
    SID,
    Answer,
    denying,
    has_statement,
    judge_all,
    merged,
    read_policy,
    ses_statement,
    statements,
)
from receipt_rules.core.rules import RuleSet
from receipt_rules.gateway import lambda_, s3
from receipt_rules.services import places
from receipt_rules.services.places import pretty
from receipt_rules.services.reading import read_live
from tenants.models import User


@dataclass(frozen=True)
class Letting:
    """What would be added to whose policy. `stops` says why it is not, "" where it may be."""

    name: str
    there: str
    adds: str
    becomes: str
    answer: Answer
    stops: str = ""

    @property
    def digest(self) -> str:
        """Of what was shown: what is there now must be the same when it is done."""
        return hashlib.sha256(f"{self.name}\n{self.there}\n{self.becomes}".encode()).hexdigest()[:16]


def bucket_letting(bucket: str, rule_set: RuleSet) -> Letting:
    """Reads the policy. Raises AwsProblem, AwsMissing where there is no bucket, and Refused."""
    statement = ses_statement(
        action="s3:PutObject", resource=f"{places.bucket_arn(bucket)}/*", account=aws.account_id()
    )
    there = _document(s3.get_bucket_policy(bucket), bucket)
    calls = places.bucket_calls(bucket, rule_set)
    answer, stops = judge_all(there, calls), ""
    if answer is Answer.ALLOWED:
        stops = f"SES may write to {bucket} already."
    elif answer is Answer.DENIED:
        stops = (
            f"The policy of {bucket} keeps SES out by {', '.join(denying(there, calls))}; no addition outweighs that."
        )
    elif has_statement(there, statement):
        stops = f"The policy of {bucket} has this statement already."
    return _letting(bucket, there, statement, answer, stops)


def function_letting(arn: str, rule_set: RuleSet) -> Letting:
    """Reads the permissions of a function that was found before. Raises AwsProblem and Refused."""
    statement = ses_statement(action="lambda:InvokeFunction", resource=arn, account=aws.account_id())
    there = _document(lambda_.get_policy(arn), arn)
    answer, stops = judge_all(there, places.function_calls(arn, rule_set)), ""
    if answer is Answer.ALLOWED:
        stops = "SES may call the function already."
    elif SID in {one.get("Sid") for one in statements(there)}:
        stops = f"The function has a permission {SID} that does not do: remove it at Amazon, then look again."
    return _letting(arn, there, statement, answer, stops)


def policy_preview(bucket: str) -> Letting:
    """Of a bucket that mail goes to. Raises AwsProblem and Refused."""
    return bucket_letting(_one_of(bucket, places.buckets()), read_live().rule_set)


def permission_preview(arn: str) -> Letting:
    """Of a function that mail goes to. Raises AwsProblem, AwsMissing where there is none, and Refused."""
    lambda_.get_function(_one_of(arn, places.functions()))
    return function_letting(arn, read_live().rule_set)


def put_policy(*, bucket: str, digest: str, actor: User) -> None:
    """Adds the statement that was shown; what the policy has stays. Raises Refused and AwsProblem."""
    _operators_only(actor)
    shown = _as_shown(policy_preview(bucket), digest)
    wanted = read_policy(shown.adds)

    def is_there() -> bool:
        return has_statement(read_policy(s3.get_bucket_policy(bucket)), wanted)

    def put() -> None:
        s3.put_bucket_policy(bucket, shown.becomes, account=aws.account_id())

    _do("policy", Subject("bucket", bucket, bucket), shown, actor, _despite_a_lost_answer(put, is_there))


def add_permission(*, arn: str, digest: str, actor: User) -> None:
    """Adds the permission under the same Sid always, so that twice is once. Raises Refused and AwsProblem."""
    _operators_only(actor)
    shown = _as_shown(permission_preview(arn), digest)

    def is_there() -> bool:
        return SID in {one.get("Sid") for one in statements(read_policy(lambda_.get_policy(arn)))}

    def add() -> None:
        lambda_.add_permission(arn, sid=SID, account=aws.account_id())

    name = arn.partition(":function:")[2]
    about = Subject("function", name.partition(":")[0], name)
    _do("permission", about, shown, actor, _despite_a_lost_answer(add, is_there))


_DONE = {"policy": "put", "permission": "added"}


def _do(what: str, about: Subject, shown: Letting, actor: User, call: Callable[[], None]) -> None:
    """Who approved stands in the log before Amazon is called: the process may die before the second line."""
    states: Any = {"before": {"policy": shown.there}, "after": {"policy": shown.becomes}}
    bulk_id = new_change_id()  # the approval and its outcome are one change
    changes.record(f"receiving.{what}_approved", about=about, actor=actor, for_staff=True, bulk_id=bulk_id, **states)
    with aws.recording() as request_ids:
        call()
    changes.record(
        f"receiving.{what}_{_DONE[what]}",
        about=about,
        actor=actor,
        aws_request_ids=request_ids,
        for_staff=True,
        bulk_id=bulk_id,
        **states,
    )


def _despite_a_lost_answer(call: Callable[[], None], is_done: Callable[[], bool]) -> Callable[[], None]:
    """No answer, or "it is there already", may mean that the call was carried out: look before it is a failure."""

    def called() -> None:
        try:
            call()
        except (AwsUnreachable, AwsConflict):
            if not is_done():
                raise

    return called


def _letting(name: str, there: Mapping[str, Any], statement: Mapping[str, Any], answer: Answer, stops: str) -> Letting:
    becomes = merged(there, statement)
    added = statements(becomes)[len(statements(there)) :]
    return Letting(name, pretty(there), pretty(added[0]) if added else "", pretty(becomes), answer, stops)


def _document(text: str, name: str) -> dict[str, Any]:
    try:
        return read_policy(text)
    except ValueError as error:
        raise Refused(f"The policy of {name} cannot be read, so that nothing is added to it.") from error


def _one_of(name: str, known: tuple[str, ...]) -> str:
    """We touch what mail goes to, and nothing else of the account."""
    if name not in known:
        raise Refused(f"No mail goes to {name or 'what has no name'}.", code="NOT_OURS")
    return name


def _operators_only(actor: User) -> None:
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators let SES in.", code="NOT_ALLOWED")


def _as_shown(now: Letting, digest: str) -> Letting:
    if now.stops:
        raise Refused(now.stops, code="NOTHING_TO_ADD")
    if now.digest != digest:
        raise Refused("The policy is not as it was shown. Look at it again.", code="NOT_AS_SHOWN")
    return now
