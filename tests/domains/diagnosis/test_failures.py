"""A lookup that failed is no fact: replacing any answer by a failure never accuses anybody of what was not seen."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import Observations
from domains.dns.core import Answer, LookupStatus
from tests.domains.mistakes import BY_HAND, FROM_MENU, Host, Scene, facts_of, serving
from tests.domains.right_zones import RIGHT, Right

pytestmark = pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])
LANES = ("host", "internet", "soas", "public_soas", "unchecked", "parent", "elsewhere")
FOLLOWED = ("spf", "spf_absent", "dmarc", "consents", "named_inside", "cuts")  # what failed of these is not in them
# What is said of a record that is missing or wrong where the lookup that would have told the cause failed.
LESS_EXACT = frozenset({"dns.absent", "dns.change.gone", "dns.value.differs", "dns.rival.mail_from_in_use"})
# A server that does not answer is one: it is told as a note, with what to ask the DNS host.
OF_SERVERS = frozenset({"dns.server.lame", "dns.server.silent", "dns.dnssec.broken"})


def failed(answer: Answer) -> Answer:
    return Answer(answer.question, answer.resolver, LookupStatus.FAILED, error="no answer within 2 seconds")


def with_one_failure(seen: Observations) -> Iterator[tuple[str, Observations]]:
    """Each answer failed, one at a time; then all to one question; then each thing that was followed left out."""
    for lane in LANES:
        answers: tuple[Answer, ...] = getattr(seen, lane)
        for at, answer in enumerate(answers):
            changed = {lane: (*answers[:at], failed(answer), *answers[at + 1 :])}
            yield f"{lane} {answer.resolver} {answer.question}", _with(seen, changed)
    for question in dict.fromkeys(answer.question for answer in (*seen.host, *seen.internet)):
        both = {"host": seen.host, "internet": seen.internet}
        all_failed = {
            lane: tuple(failed(a) if a.question == question else a for a in answers) for lane, answers in both.items()
        }
        yield f"all {question}", _with(seen, all_failed)
    for name in FOLLOWED:
        kept: tuple[object, ...] = getattr(seen, name)
        for at in range(len(kept)):
            yield f"{name} {kept[at]}", _with(seen, {name: (*kept[:at], *kept[at + 1 :])})


def _with(seen: Observations, changed: Mapping[str, Any]) -> Observations:
    return replace(seen, **changed)


def accusations(before: Diagnosis, after: Diagnosis) -> list[str]:
    """What is said of somebody after the failure, and was not before."""
    known = {(finding.code, finding.record_key) for finding in before.findings}
    blamed = {finding.record_key for finding in before.findings}
    return [
        f"{finding.code} {finding.record_key}"
        for finding in after.findings
        if (finding.code, finding.record_key) not in known
        and finding.code not in (*OF_SERVERS, "dns.lookup_failed", "amazon.unknown")
        and not (finding.code in LESS_EXACT and finding.record_key in blamed)
        and not (finding.code == "dns.spreading" and finding.record_key in blamed)
    ]


SCENES = [*FROM_MENU, *BY_HAND]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_a_failure_adds_no_accusation_to_a_mistake(scene: Scene) -> None:
    with serving() as (store, server, address):
        servers = ("ns.registrar.example", "ns1.host.example") if scene.code == "dns.host.elsewhere" else ()
        host = Host(store, facts_of(scene.name), servers or ("ns1.host.example", "ns2.host.example"))
        host.open()
        host.publish()
        scene.make(host)
        seen = host.observe(server, address, timeout=0.1 if "zone." in scene.about else 0.5)
    check(host, seen)


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.title)
def test_a_failure_adds_no_accusation_to_a_right_zone(right: Right) -> None:
    with serving() as (store, server, address):
        host = Host(store, facts_of(right.name, wants_apex_spf=right.wants_apex_spf), right.nameservers)
        host.open()
        host.publish()
        right.make(host)
        seen = host.observe(server, address)
    check(host, seen)


def check(host: Host, seen: Observations) -> None:
    before = host.told(seen)
    found = {
        what: accused
        for what, changed in with_one_failure(seen)
        if (accused := accusations(before, host.told(changed)))
    }
    assert found == {}, found
