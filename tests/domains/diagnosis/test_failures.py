"""A lookup that failed is no fact: replacing any answer by a failure never accuses anybody of what was not seen."""

import pytest

from domains.checking.core.judgement import State, judge
from domains.dns.core import Answer, LookupStatus, Question, further_questions, question_for
from domains.names.core import DomainName
from sandbox.dns.server import DnsServer
from tests.domains.dns_host import NOW, Host, serving
from tests.domains.failed_lookups import OF_SERVERS, accused, failed
from tests.domains.mistakes import BY_HAND, FROM_MENU, Scene, observed
from tests.domains.right_zones import RIGHT, Right, made

pytestmark = pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])
SCENES = [*FROM_MENU, *BY_HAND]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_a_failure_adds_no_accusation_to_a_mistake(scene: Scene) -> None:
    found = accused(*observed(scene))
    assert found == {}, found


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.title)
def test_a_failure_adds_no_accusation_to_a_right_zone(right: Right) -> None:
    with serving() as (store, server, address):
        host = made(right, store)
        found = accused(host, host.observe(server, address))
    assert found == {}, found


@pytest.mark.parametrize("right", [right for right in RIGHT[::4] if not right.missing], ids=lambda right: right.title)
def test_a_name_that_fails_on_the_wire_accuses_nobody_in_a_right_zone(right: Right) -> None:
    """The observer's next questions follow from the failure too."""
    with serving() as (store, server, address):
        host = made(right, store)
        names = {answer.question.name for answer in host.observe(server, address).host}
        for name in sorted(names - {host.zone}):
            store.set_fault(name, "servfail")
            codes = told_codes(host, server, address)
            store.clear_faults()
            assert codes <= {*OF_SERVERS, "dns.lookup_failed"}, (name, codes)


def told_codes(host: Host, server: DnsServer, address: tuple[str, int]) -> set[str]:
    found = host.diagnose(server, address)
    return {finding.code for finding in found.findings}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_a_plain_check_with_a_failure_finds_nothing_else(scene: Scene) -> None:
    """Of each record: the answer of one resolver and what explains it; any of them failed says less, never other."""
    host, seen = observed(scene)
    domain = DomainName.from_stored(scene.name)
    for record in host.records:
        questions = [question_for(record), *further_questions(record, domain)]
        told = [answer for question in questions for answer in first(seen.host_answers(question), question)]
        if not told or told[0].question != questions[0]:
            continue
        whole = judge(record, told[:1], verified_before=None, now=NOW, further=told[1:])
        for at, answer in enumerate(told):
            changed = [*told[:at], failed(answer), *told[at + 1 :]]
            less = judge(record, changed[:1], verified_before=None, now=NOW, further=changed[1:])
            assert less.state in (whole.state, State.COULD_NOT_CHECK, State.WAITING, State.WRONG), (record.key, answer)
            assert not (whole.state is State.VERIFIED and less.state in (State.WRONG, State.WAITING, State.AT_RISK))
            assert at > 0 or less.state is State.COULD_NOT_CHECK


def first(answers: tuple[Answer, ...], question: Question) -> list[Answer]:
    """Return the answer as one resolver gives it."""
    told = [answer for answer in answers if answer.status is not LookupStatus.FAILED]
    return [Answer(question, "one", told[0].status, told[0].values, aliases=told[0].aliases)] if told else []
