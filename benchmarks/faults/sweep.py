"""Runs one workflow with one fault at one call, and compares the result and the pages meanwhile.

The worker runs in a forked process, so a kill is real; the sandbox stays in this process.
"""

import json
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from django.db import connections
from django.test import Client, override_settings

from benchmarks.faults import disk, kinds, state, wire, worker
from benchmarks.faults.kinds import DATABASE_GONE, DISK_FULL, FaultKind
from benchmarks.faults.resolvers import Lie, answering
from benchmarks.faults.wire import Wire
from benchmarks.faults.workflows import Claim, Place, Workflow

CONVERGED = "converged"
MOST_TEXT = 300


@dataclass(frozen=True)
class End:
    rows: list[str]
    amazon: list[str]
    changes: list[str]
    left: list[str]


@dataclass
class Outcome:
    """Outcome of a workflow with one kind of fault: the number of calls that it hit, and what didn't converge."""

    workflow: str
    fault: str
    calls: int = 0
    else_: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        return CONVERGED if not self.else_ else self.else_[0]


class Sweep:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._plain: dict[str, tuple[list[str], End]] = {}

    def undisturbed(self, workflow: Workflow) -> tuple[list[str], End]:
        """Return the calls in order, and the result that each other run must equal.

        Reads the pages before each call.
        """
        if workflow.name not in self._plain:
            self._warm_up(workflow)
            claims = self._begin(workflow)
            report = self._run(Wire(before=lambda: _no_page_is_wrong(claims)))
            self._settle()
            _no_page_is_wrong(claims)
            assert not (silent := [each.name for each in claims if each.at_the_end and not each.says()]), silent
            self._plain[workflow.name] = (report["calls"], self._end())
        return self._plain[workflow.name]

    def _warm_up(self, workflow: Workflow) -> None:
        """Load modules in this process, so each forked one has them."""
        claims = self._begin(workflow)
        worker.work()
        worker.settle(lambda: False)
        _no_page_is_wrong(claims)

    def outcome(self, workflow: Workflow, kind: FaultKind, *, only: int = 0) -> Outcome:
        """Run it with the fault at each call in turn, or only at one."""
        calls, _ = self.undisturbed(workflow)
        made = Outcome(workflow.name, kind.name)
        for nth in range(1, len(calls) + 1):
            if only in (0, nth):
                made.calls += 1
                made.else_ += [f"call {nth}, {calls[nth - 1]}: {each}" for each in self._wrong(workflow, kind, nth)]
        return made

    def outcome_with_resolver(self, workflow: Workflow, name: str, lie: Lie) -> Outcome:
        """Run it with a DNS resolver that fails or lies, then with a correct one."""
        _, plain = self.undisturbed(workflow)
        made, claims = Outcome(workflow.name, name, calls=1), self._begin(workflow)
        try:
            with answering(lie) as resolver, override_settings(DNS_RESOLVERS=(resolver,)):
                self._run(Wire())
                _no_page_is_wrong(claims)
            self._settle(plain)
            _no_page_is_wrong(claims)
        except AssertionError as wrong:
            made.else_.append(str(wrong)[:MOST_TEXT])
        else:
            made.else_ += differences(plain, self._end())
        return made

    def _wrong(self, workflow: Workflow, kind: FaultKind, nth: int) -> list[str]:
        _, plain = self.undisturbed(workflow)
        claims = self._begin(workflow)
        try:
            report = self._run(Wire(at=nth, act=kind.act), attempts=kind.attempts)
            if report["calls"] and len(report["calls"]) < nth:
                return ["this call was not made"]
            _end(kind)
            _no_page_is_wrong(claims)
            self._settle(plain)
            _no_page_is_wrong(claims)
        except AssertionError as wrong:
            return [str(wrong)[:MOST_TEXT]]
        return list(differences(plain, self._end()))

    def _begin(self, workflow: Workflow) -> list[Claim]:
        from inbound_admin.lib import aws

        state.empty_tables()
        self._place.sandbox.control.reset()
        self._place.receiver.received.clear()
        aws.account_id()  # it is read once for each process, so it is no call of the workflow
        return workflow.begin(self._place)

    def _run(self, network: Wire, *, attempts: int = 3) -> dict[str, Any]:
        """Run the worker until it has finished or is killed. A killed one returns nothing."""
        from inbound_admin.lib import aws

        def run() -> dict[str, Any]:
            aws.ATTEMPTS = attempts
            with wire.standing(network):
                worker.work()
            return {"calls": network.calls}

        return in_a_process(run) or {"calls": []}

    def _settle(self, plain: End | None = None) -> None:
        """Wait until our rows equal those without a fault, or hours have passed."""

        def settle() -> dict[str, Any]:
            with wire.standing(Wire()):
                worker.settle(lambda: plain is not None and state.rows() == plain.rows)
            return {"settled": True}

        assert in_a_process(settle), "what goes on afterwards ends with an error"

    def _end(self) -> End:
        from notifications.models.webhooks import Delivery

        taken = [received.headers["webhook-id"] for received in self._place.receiver.received]
        assert len(set(taken)) == Delivery.objects.count(), "a webhook was taken under two names, or not at all"
        return End(state.rows(), state.amazon(), state.changes(), worker.failed_jobs())


def _end(kind: FaultKind) -> None:
    """Of a fault that outlives the worker: once it was told."""
    if kind.name == DATABASE_GONE:
        _pages_say_it_and_it_comes_back()
    elif kind.name == DISK_FULL:
        connections.close_all()
        try:
            assert disk.is_reported(), "the disk is full, and /readyz does not say so"
        finally:
            disk.free()


def _pages_say_it_and_it_comes_back() -> None:
    connections.close_all()
    client = Client(raise_request_exception=False)
    try:
        statuses = {path: client.get(path).status_code for path in ("/readyz", "/healthz", "/accounts/login/")}
        assert set(statuses.values()) == {503}, f"without a database: {statuses}"
    finally:
        kinds.start_database()


def _no_page_is_wrong(claims: list[Claim]) -> None:
    for claim in claims:
        assert not claim.is_false, f"a page says what is not so: {claim.name}"


def differences(plain: End, found: End) -> Iterator[str]:
    """Yield what only one of the two results has."""
    for name in ("left", "rows", "amazon", "changes"):
        before, after = Counter(getattr(plain, name)), Counter(getattr(found, name))
        if before != after:
            yield f"{name}: {_apart(list((before - after).elements()), list((after - before).elements()))}"


def _apart(gone: list[str], new: list[str]) -> str:
    """Return the differing words of two versions, or what is missing or extra."""
    if len(gone) == len(new) == 1:
        pairs = zip_longest(gone[0].split(", "), new[0].split(", "), fillvalue="")
        differences = [f"{one} became {other}" for one, other in pairs if one != other]
        return "; ".join(differences)[:MOST_TEXT]
    return f"missing {gone}, too much {new}"[:MOST_TEXT]


def in_a_process(run: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the result of a process; None if it was killed or failed."""
    connections.close_all()
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        _be_the_child(run, writes)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    report = json.loads(text) if text else None
    assert not report or "wrong" not in report, report["wrong"]
    return report


def _be_the_child(run: Callable[[], dict[str, Any]], writes: int) -> None:
    try:
        report = json.dumps(run())
    except AssertionError as wrong:
        report = json.dumps({"wrong": str(wrong)})
    except BaseException:  # noqa: BLE001  # the process is over, as the worker's would be
        if os.environ.get("FAULTS_VERBOSE"):
            traceback.print_exc(file=sys.stderr)
        os._exit(1)
    os.write(writes, report.encode())
    os._exit(0)
