"""Replacing any answers with failed lookups never adds a finding that accuses or advises a removal."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.checking.core.judgement import State, judge
from domains.diagnosis.core.chain import diagnose
from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import NOTHING_KNOWN, Observations, RecordHistory
from domains.dns.core import LookupStatus, Question, further_questions, question_for
from domains.policies import core as policies_core
from domains.records.core import Record
from tests.domains.diagnosis.worlds import (
    ERRORS,
    HISTORIES,
    RESOLVERS,
    SERVERS,
    World,
    places_in,
    seen_in,
    with_failures,
    world_of,
    worlds,
)
from tests.domains.dns_host import CONFIRMED, NOW, TOKEN, facts_of
from tests.domains.failed_lookups import accusations, failed

EXAMPLES = int(os.environ.get("FAILURE_EXAMPLES", "200"))
SAME = "FAILURE_EXAMPLES" not in os.environ  # a test run uses the same examples each time, the soak others
SOAK = "2000"


def diagnosis_of(world: World, seen: Observations, history: RecordHistory) -> Diagnosis:
    facts = replace(world.facts, policies=policies_core.NOTHING_KNOWN)
    return diagnose(facts, seen, CONFIRMED, NOW, history)


def new_accusations(world: World, seen: Observations, less: Observations, history: RecordHistory) -> list[str]:
    """Return new findings. If servers disagree and one fails, the other's answer remains, which is no new finding."""
    after = diagnosis_of(world, less, history)
    found = accusations(diagnosis_of(world, seen, history), after)
    disputed = {record.key for record in seen.records if len(set(server_views(world, seen, record))) > 1}
    for who in SERVERS if found and disputed else ():
        alone = accusations(diagnosis_of(world, of_one_server(seen, who), history), after)
        found = [each for each in found if each in alone or each.partition(" ")[2] not in (*disputed, "")]
    return found


def of_one_server(seen: Observations, who: str) -> Observations:
    plain = {question_for(record) for record in seen.records}
    return replace(seen, host=tuple(a for a in seen.host if a.resolver == who or a.question not in plain))


def server_views(world: World, seen: Observations, record: Record) -> list[tuple[object, ...]]:
    """Return each server's answer about the record and the place that decides it, if all were asked about that."""
    questions = (question_for(record), *further_questions(record, world.facts.domain))
    complete = [answers for question in questions if len(answers := seen.host_answers(question)) == len(SERVERS)]
    return [tuple((answer.values, answer.aliases) for answer in answers) for answers in zip(*complete, strict=True)]


@settings(max_examples=EXAMPLES, deadline=None, derandomize=SAME, suppress_health_check=list(HealthCheck))
@given(worlds(), st.none() | st.sampled_from((*SERVERS, *RESOLVERS)), HISTORIES, st.data())
def test_failures_add_no_accusation(
    world: World, behind: str | None, history: RecordHistory, data: st.DataObject
) -> None:
    seen = seen_in(world, behind)
    places = places_in(seen)
    some = st.dictionaries(st.sampled_from(places), st.sampled_from(ERRORS), min_size=1, max_size=12)
    whole = st.sampled_from(sorted({(lane, answer_of(seen, lane, at)) for lane, at in places}))
    lost = data.draw(some)
    for wanted in data.draw(st.lists(whole, max_size=3)):
        lost |= {(lane, at): ERRORS[0] for lane, at in places if (lane, answer_of(seen, lane, at)) == wanted}
    found = new_accusations(world, seen, with_failures(seen, lost), history)
    before = [f"{each.code} {each.record_key}" for each in diagnosis_of(world, seen, history).findings]
    assert found == [], (found, before, [str(getattr(seen, lane)[at])[:120] for lane, at in lost])


def test_a_spoilt_dmarc_record_is_reported_despite_a_failed_policy_lookup() -> None:
    world = world_of(facts_of("example.com"), dmarc=("v=DMARC1; p=none.",))
    world.has_forgotten_server = True
    seen = seen_in(world)
    less = with_failures(seen, {("dmarc", 0): ERRORS[0], ("host", 0): ERRORS[0]})
    for each in (seen, less):
        codes = [
            finding.code
            for finding in diagnosis_of(world, each, NOTHING_KNOWN).findings
            if finding.record_key == "dmarc"
        ]
        assert codes == ["dns.value.dot"]


def test_one_servers_answer_is_not_applied_to_a_server_that_differs() -> None:
    """The first has the TXT record and, at the apex, its name in the value; the second has neither."""
    world = world_of(facts_of("example.com", wants_apex_spf=True))
    world.add("example.com", "TXT", f"_amazonses={TOKEN}")
    whole, first = seen_in(world), SERVERS[0]
    apart = ("_amazonses.example.com", "example.com")
    host = tuple(
        a
        if a.resolver == first or (a.question.name, a.question.type) not in [(name, "TXT") for name in apart]
        else replace(a, status=LookupStatus.NO_DATA, values=())
        for a in whole.host
    )
    seen = replace(whole, host=host)
    lost = [at for at, a in enumerate(host) if a.resolver == first and a.question.name == apart[0]]
    less = with_failures(seen, {("host", at): ERRORS[0] for at in lost})
    before, after = (diagnosis_of(world, each, NOTHING_KNOWN).findings for each in (seen, less))
    assert ("dns.server.disagree", "identity") in [(each.code, each.record_key) for each in before]
    assert [each.code for each in after if each.record_key == "identity"] == ["dns.absent"]


def test_a_name_in_the_value_is_found_although_another_server_lacks_it() -> None:
    """Both lack the TXT record; the second has it at the apex, with name and value in one field."""
    world = world_of(facts_of("example.com", wants_apex_spf=True), identity=())
    world.add("example.com", "TXT", f"_amazonses={TOKEN}")
    whole, first = seen_in(world), SERVERS[0]
    host = tuple(
        replace(a, status=LookupStatus.NO_DATA, values=())
        if a.resolver == first and a.question == Question("example.com", "TXT")
        else a
        for a in whole.host
    )
    seen = replace(whole, host=host)
    identity_question = question_for(next(record for record in world.records if record.key == "identity"))
    lost = [at for at, a in enumerate(host) if a.resolver == first and a.question == identity_question]
    less = with_failures(seen, {("host", at): ERRORS[0] for at in lost})
    for each in (seen, less):
        findings = diagnosis_of(world, each, NOTHING_KNOWN).findings
        assert [finding.code for finding in findings if finding.record_key == "identity"] == ["dns.value.name_inside"]


def test_a_misplaced_record_of_one_server_is_not_applied_to_another() -> None:
    world = world_of(facts_of("example.com", wants_apex_spf=True))
    world.add("example.com", "TXT", "v=DMARC1; p=quarantine")
    whole, last = seen_in(world), SERVERS[-1]
    apart = [("_dmarc.example.com", "TXT"), ("example.com", "TXT")]
    host = tuple(
        replace(a, status=LookupStatus.NO_DATA, values=())
        if a.resolver == last and (a.question.name, a.question.type) in apart
        else a
        for a in whole.host
    )
    lost = [
        at
        for at, a in enumerate(host)
        if a.resolver != last and (a.question.name, a.question.type) == ("_dmarc.example.com", "TXT")
    ]
    less = with_failures(replace(whole, host=host), {("host", at): ERRORS[0] for at in lost})
    codes = [each.code for each in diagnosis_of(world, less, NOTHING_KNOWN).findings if each.record_key == "dmarc"]
    assert codes == ["dns.absent"]


def answer_of(seen: Observations, lane: str, at: int) -> str:
    return str(getattr(getattr(seen, lane)[at], "question", at))


@settings(max_examples=EXAMPLES, deadline=None, derandomize=SAME, suppress_health_check=list(HealthCheck))
@given(worlds(), st.data())
def test_a_check_with_failures_finds_nothing_else(world: World, data: st.DataObject) -> None:
    for record in world.records:
        plain, *others = [question_for(record), *further_questions(record, world.facts.domain)]
        answers = [world.answer(question, "one") for question in (plain, *others)]
        lost = data.draw(st.sets(st.sampled_from(range(len(answers))), min_size=1))
        whole = judge(record, answers[:1], verified_before=None, now=NOW, further=answers[1:])
        less = [failed(answer) if at in lost else answer for at, answer in enumerate(answers)]
        found = judge(record, less[:1], verified_before=None, now=NOW, further=less[1:])
        alone = judge(record, answers[:1], verified_before=None, now=NOW)
        check_failed = (State.COULD_NOT_CHECK, "dns.lookup_failed")
        assert 0 not in lost or found.state is State.COULD_NOT_CHECK
        verdicts = [(each.state, each.code) for each in (whole, alone)]
        assert (found.state, found.code) in (check_failed, *verdicts), (record.key, found, verdicts)
        assert not (whole.state is State.VERIFIED and found.state in (State.WRONG, State.WAITING, State.AT_RISK))


@pytest.mark.soak
def test_two_thousand_examples_hold_the_same() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not soak", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env={**os.environ, "FAILURE_EXAMPLES": SOAK}, check=False)
    assert done.returncode == 0
