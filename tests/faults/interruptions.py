"""Runs a job with each of its AWS calls interrupted in each way. Every result must equal an undisturbed run's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from audit.models import Change
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from sandbox.aws.faults import ProcessCut
from sandbox.process import Sandbox
from sandbox.values import FaultKind
from tests.domains.factories import at_amazon
from tests.faults.initial_state import Beginning

# What the row must come to; who, when and the next look are of each run.
COLUMNS = (
    "name stage stage_problem adopted mail_from_label on_mx_failure dkim_signing new_dkim_wanted verification_token "
    "dkim_tokens dkim_zone ses_dkim_signing ses_on_mx_failure ses_mail_from claim_reason"
).split()


@dataclass(frozen=True)
class Story:
    """`begin` creates the initial state and returns the domain; `run` runs the worker's job."""

    begin: Callable[[], Domain]
    run: Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """How a call is interrupted, and how often botocore may try."""

    kind: FaultKind
    attempts: int


LOST = {
    "the process dies after the call": Way("exit_after", 3),
    "the answer is lost and botocore asks again": Way("cut_after", 3),
    "the answer is lost for good": Way("cut_after", 1),
}
REFUSED = {
    "the call never arrives": Way("cut_before", 1),
    "Amazon has a fault of its own": Way("error", 1),
    "Amazon throttles": Way("throttle", 1),
}


@dataclass(frozen=True)
class End:
    """The parts of our row, of SES's identity and of the change log that must not depend on the fault."""

    row: dict[str, Any] | None
    identity: dict[str, Any] | None
    changes: list[dict[str, Any]]


def unordered(end: End) -> End:
    """Return the result with its changes sorted: a setting that SES refuses delays no other, so the order may vary."""
    return replace(end, changes=sorted(end.changes, key=str))


class Cutting:
    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sandbox, self._monkeypatch = sandbox, monkeypatch

    def every_cut(self, story: Story, ways: Mapping[str, Way] = LOST) -> End:
        """Return the undisturbed run's result, which every other must equal.

        Calls that only retries make are cut as well.
        """
        with Beginning(self._sandbox, story.begin) as beginning:
            calls, plain = self._undisturbed(story, beginning)
            assert calls, "a job without an AWS call has nothing to cut"
            for name, way in ways.items():
                for nth in range(1, calls + 1):
                    ends = [unordered(end) for end in self._cut(story, beginning, way, nth)]
                    assert ends == [unordered(plain)] * 2, f"call {nth}: {name}"
        return plain

    def _cut(self, story: Story, beginning: Beginning[Domain], way: Way, nth: int) -> tuple[End, End]:
        """Return the result, and the result after another run of the job with nothing left to do."""
        domain = self._anew(beginning)
        self._allow(way.attempts)
        self._sandbox.control.add_fault(way.kind, nth=nth)
        broken = not self._run(story, domain.id)
        assert self._sandbox.control.faults() == (), f"call {nth} was not made"
        assert broken or way.attempts > 1, f"call {nth} was not cut: {way}"
        assert not broken or self._run(story, domain.id), f"the next run does not end, call {nth}: {way}"
        end = end_of(domain)
        self._run(story, domain.id)
        return end, end_of(domain)

    def _undisturbed(self, story: Story, beginning: Beginning[Domain]) -> tuple[int, End]:
        domain = self._anew(beginning)
        assert self._run(story, domain.id)
        calls = sum(self._sandbox.control.call_counts().values())
        return calls, end_of(domain)

    def _anew(self, beginning: Beginning[Domain]) -> Domain:
        self._allow(3)
        domain = beginning.again()
        domain.refresh_from_db()
        return domain

    def _allow(self, attempts: int) -> None:
        self._monkeypatch.setattr(aws, "ATTEMPTS", attempts)
        aws.account_id()  # is asked once a process, so it is no call of the job

    def _run(self, story: Story, domain_id: str) -> bool:
        """Return False if the job was interrupted, as the worker would see it."""
        try:
            story.run(domain_id)
        except (AwsProblem, ProcessCut):
            return False
        return True


def end_of(domain: Domain) -> End:
    row = Domain.objects.filter(pk=domain.pk).values(*COLUMNS).first()
    identity = at_amazon(domain.name)
    if identity:
        identity["Tags"] = [{**tag, "Value": tag["Value"].replace(domain.id, "ID")} for tag in identity["Tags"]]
    rows = Change.objects.filter(object_id=domain.id).order_by("id")
    for change in rows:
        assert len(set(change.aws_request_ids)) == len(change.aws_request_ids)
    changes = [dict(change) for change in rows.values("what", "actor_name", "because", "before", "after")]
    return End(row, identity, changes)
