"""The observations with one lookup failed, and the findings that accuse only because of that."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import Observations
from domains.dns.core import Answer, LookupStatus
from tests.domains.dns_host import Host

LANES = ("host", "internet", "soas", "public_soas", "unchecked", "parent", "elsewhere")
FOLLOWED = ("spf", "spf_absent", "dmarc", "consents", "named_inside", "cuts")  # failed ones are left out of these
# The less exact codes of a missing or wrong record, if the lookup that tells the cause failed.
# None of them advises a removal: they name what is published, or say that ours is not.
LESS_EXACT = frozenset(
    (
        *("dns.absent", "dns.change.gone", "dns.value.differs", "dns.rival.mail_from_in_use"),
        *("dns.value.other_token", "dns.value.spf_without_amazon", "dns.dmarc.own_reports"),
    )
)
# A nameserver that does not answer is reported as a note, with what to ask the DNS host.
OF_SERVERS = frozenset(
    {
        *("dns.server.lame", "dns.server.late", "dns.server.silent", "dns.server.failing", "dns.dnssec.broken"),
        "dns.delegation.silent",
    }
)


def failed(answer: Answer) -> Answer:
    return Answer(answer.question, answer.resolver, LookupStatus.FAILED, error="no answer within 2 seconds")


def with_one_failure(seen: Observations) -> Iterator[tuple[str, Observations]]:
    """Yield the observations with each answer failed in turn, then all to a question, then each followed one absent."""
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
    """Return the findings after the failure that weren't there before."""
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


def accusations_by_failure(host: Host, seen: Observations) -> dict[str, list[str]]:
    """Return the findings that appeared only because a lookup failed."""
    before = host.diagnosis_of(seen)
    found = {what: accusations(before, host.diagnosis_of(changed)) for what, changed in with_one_failure(seen)}
    return {what: some for what, some in found.items() if some}
