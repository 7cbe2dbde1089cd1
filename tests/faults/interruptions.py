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
from tests.domains.factories import identity_at_ses
from tests.faults.initial_state import InitialState

# The columns of the row that must be equal; people, times and the next check differ between runs.
COLUMNS = (
    "name stage stage_problem adopted mail_from_label on_mx_failure dkim_signing new_dkim_wanted verification_token "
    "dkim_tokens dkim_zone ses_dkim_signing ses_on_mx_failure ses_mail_from claim_reason"
).split()


@dataclass(frozen=True)
class Scenario:
    """`begin` creates the initial state and returns the domain; `run` runs the worker's job."""

    begin: Callable[[], Domain]
    run: Callable[[str], None]


@dataclass(frozen=True)
class Interruption:
    """How a call is interrupted, and how often botocore may try."""

    kind: FaultKind
    attempts: int


LOST_RESPONSES = {
    "the process dies after the call": Interruption("exit_after", 3),
    "the response is lost and botocore retries": Interruption("cut_after", 3),
    "the response is lost without a retry": Interruption("cut_after", 1),
}
FAILED_CALLS = {
    "the call never arrives": Interruption("cut_before", 1),
    "SES has an internal error": Interruption("error", 1),
    "SES throttles": Interruption("throttle", 1),
}


@dataclass(frozen=True)
class Outcome:
    """The parts of our row, of SES's identity and of the change log that must not depend on the fault."""

    row: dict[str, Any] | None
    identity: dict[str, Any] | None
    changes: list[dict[str, Any]]


def unordered(end: Outcome) -> Outcome:
    """Return the result with its changes sorted: a setting that SES refuses delays no other, so the order may vary."""
    return replace(end, changes=sorted(end.changes, key=str))


class Interrupter:
    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sandbox, self._monkeypatch = sandbox, monkeypatch

    def run_with_every_interruption(
        self, scenario: Scenario, interruptions: Mapping[str, Interruption] = LOST_RESPONSES
    ) -> Outcome:
        """Return the undisturbed run's result, which every other must equal.

        Calls that only retries make are cut as well.
        """
        with InitialState(self._sandbox, scenario.begin) as initial_state:
            calls, plain = self._undisturbed(scenario, initial_state)
            assert calls, "a job without an AWS call has nothing to interrupt"
            for name, interruption in interruptions.items():
                for nth in range(1, calls + 1):
                    ends = [unordered(end) for end in self._run_interrupted(scenario, initial_state, interruption, nth)]
                    assert ends == [unordered(plain)] * 2, f"call {nth}: {name}"
        return plain

    def _run_interrupted(
        self, scenario: Scenario, initial_state: InitialState[Domain], interruption: Interruption, nth: int
    ) -> tuple[Outcome, Outcome]:
        """Return the result, and the result after another run of the job with nothing left to do."""
        domain = self._restore(initial_state)
        self._allow(interruption.attempts)
        self._sandbox.control.add_fault(interruption.kind, nth=nth)
        broken = not self._run(scenario, domain.id)
        assert self._sandbox.control.faults() == (), f"call {nth} was not made"
        assert broken or interruption.attempts > 1, f"call {nth} was not interrupted: {interruption}"
        assert not broken or self._run(scenario, domain.id), f"the next run does not end, call {nth}: {interruption}"
        end = outcome_of(domain)
        self._run(scenario, domain.id)
        return end, outcome_of(domain)

    def _undisturbed(self, scenario: Scenario, initial_state: InitialState[Domain]) -> tuple[int, Outcome]:
        domain = self._restore(initial_state)
        assert self._run(scenario, domain.id)
        calls = sum(self._sandbox.control.call_counts().values())
        return calls, outcome_of(domain)

    def _restore(self, initial_state: InitialState[Domain]) -> Domain:
        self._allow(3)
        domain = initial_state.restore()
        domain.refresh_from_db()
        return domain

    def _allow(self, attempts: int) -> None:
        self._monkeypatch.setattr(aws, "ATTEMPTS", attempts)
        aws.account_id()  # read once in a process, so it is no call of the job

    def _run(self, scenario: Scenario, domain_id: str) -> bool:
        """Return False if the job was interrupted, as the worker would see it."""
        try:
            scenario.run(domain_id)
        except (AwsProblem, ProcessCut):
            return False
        return True


def outcome_of(domain: Domain) -> Outcome:
    row = Domain.objects.filter(pk=domain.pk).values(*COLUMNS).first()
    identity = identity_at_ses(domain.name)
    if identity:
        identity["Tags"] = [{**tag, "Value": tag["Value"].replace(domain.id, "ID")} for tag in identity["Tags"]]
    rows = Change.objects.filter(object_id=domain.id).order_by("id")
    for change in rows:
        assert len(set(change.aws_request_ids)) == len(change.aws_request_ids)
    changes = [dict(change) for change in rows.values("what", "actor_name", "because", "before", "after")]
    return Outcome(row, identity, changes)
