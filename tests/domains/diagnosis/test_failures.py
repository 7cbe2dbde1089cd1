"""Replacing any answer with a failed lookup never adds an accusation to the diagnosis."""

import pytest

from domains.checking.core.judgement import State, judge
from domains.dns.core import Answer, LookupStatus, Question, further_questions, question_for
from domains.names.core import DomainName
from sandbox.dns.server import DnsServer
from tests.domains.dns_host import NOW, Host, serving
from tests.domains.failed_lookups import OF_SERVERS, accusations_by_failure, failed
from tests.domains.mistakes import BY_HAND, FROM_MENU, Scene, observe_scene
from tests.domains.right_zones import CORRECT_ZONES, CorrectZone, host_of

pytestmark = pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])
SCENES = [*FROM_MENU, *BY_HAND]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_a_failure_adds_no_accusation_to_a_mistake(scene: Scene) -> None:
    found = accusations_by_failure(*observe_scene(scene))
    assert found == {}, found


@pytest.mark.parametrize("right", CORRECT_ZONES, ids=lambda right: right.title)
def test_a_failure_adds_no_accusation_to_a_correct_zone(right: CorrectZone) -> None:
    with serving() as (store, server, address):
        host = host_of(right, store)
        found = accusations_by_failure(host, host.observe(server, address))
    assert found == {}, found


@pytest.mark.parametrize(
    "right", [right for right in CORRECT_ZONES[::4] if not right.missing], ids=lambda right: right.title
)
def test_a_name_that_answers_servfail_adds_no_accusation_to_a_correct_zone(right: CorrectZone) -> None:
    """The failure also decides which questions follow."""
    with serving() as (store, server, address):
        host = host_of(right, store)
        names = {answer.question.name for answer in host.observe(server, address).host}
        for name in sorted(names - {host.zone}):
            store.set_fault(name, "servfail")
            codes = finding_codes(host, server, address)
            store.clear_faults()
            assert codes <= {*OF_SERVERS, "dns.lookup_failed"}, (name, codes)


def finding_codes(host: Host, server: DnsServer, address: tuple[str, int]) -> set[str]:
    found = host.diagnose(server, address)
    return {finding.code for finding in found.findings}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_a_check_with_a_failure_finds_nothing_else(scene: Scene) -> None:
    """For each record: one resolver's answers. A failed one weakens the judgement and never changes it."""
    host, seen = observe_scene(scene)
    domain = DomainName.from_stored(scene.name)
    for record in host.records:
        questions = [question_for(record), *further_questions(record, domain)]
        answers = [answer for question in questions for answer in first(seen.host_answers(question), question)]
        if not answers or answers[0].question != questions[0]:
            continue
        whole = judge(record, answers[:1], verified_before=None, now=NOW, further=answers[1:])
        for at, answer in enumerate(answers):
            changed = [*answers[:at], failed(answer), *answers[at + 1 :]]
            less = judge(record, changed[:1], verified_before=None, now=NOW, further=changed[1:])
            assert less.state in (whole.state, State.COULD_NOT_CHECK, State.WAITING, State.WRONG), (record.key, answer)
            assert not (whole.state is State.VERIFIED and less.state in (State.WRONG, State.WAITING, State.AT_RISK))
            assert at > 0 or less.state is State.COULD_NOT_CHECK


def first(answers: tuple[Answer, ...], question: Question) -> list[Answer]:
    """Return the answer as one resolver gives it."""
    usable = [answer for answer in answers if answer.status is not LookupStatus.FAILED]
    return [Answer(question, "one", usable[0].status, usable[0].values, aliases=usable[0].aliases)] if usable else []
