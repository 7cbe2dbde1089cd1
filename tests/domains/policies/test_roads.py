"""On every channel, a value that reaches a customer compares as correct, is valid, and removes no sender or
policy. The channels are called below their templates, from one row: the records page, the share link, the
mailed records, each file, the API, the diagnosis and its reply. `test_agreement.py` opens the pages themselves.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models.people import User
from domains.checking.core.comparison import Verdict, compare
from domains.diagnosis.core.chain import diagnose
from domains.diagnosis.core.findings import Diagnosis, as_json, as_reply
from domains.diagnosis.core.observations import Observations
from domains.dns.core import Answer, LookupStatus, Question, question_for
from domains.exports.core.formats import FORMATS, export
from domains.exports.core.values import Entry, entries
from domains.models.domains import Domain
from domains.policies.core import PublishedPolicies, dmarc_questions
from domains.providers.core import PROVIDERS, DnsProvider, FormValues, form_values
from domains.records.core import SPF_KEYS, Record
from domains.records.selectors import records_page
from domains.sharing import services as sharing_services
from domains.sharing.core import NO_VALUE
from domains.sharing.selectors import shared_page
from public_api.domains.selectors import records_of
from public_api.records.api import WantedRecordOut, wanted_records
from tests.domains.dns_host import CONFIRMED, DKIM, NOW, TOKEN
from tests.domains.factories import make_domain
from tests.domains.policies.test_core_properties import PUBLISHED, SHOP, check_dmarc, check_spf
from tests.domains.providers.typed_boxes import parse_boxes
from tests.factories import make_member

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("ROAD_EXAMPLES", "200"))
SAME = "ROAD_EXAMPLES" not in os.environ  # a test run uses the same examples each time, the soak others
SOAK = "2000"
SERVER = "ns1.host.example"
TO_PUBLISH = re.compile(r"^\d+\. .*?: (v=(?:spf1|DMARC1)\b.*)$", re.MULTILINE)


@pytest.fixture
def shop() -> Domain:
    return make_domain(
        SHOP.ascii,
        region="us-east-1",
        verification_token=TOKEN,
        dkim_tokens=list(DKIM),
        dkim_zone="dkim.amazonses.com",
        ses_mail_from=f"bounce.{SHOP.ascii}",
        wants_apex_spf=True,
        wants_dmarc=True,
        stage="ready",
        identity_status="SUCCESS",
    )


@pytest.fixture
def alice(shop: Domain) -> User:
    return make_member(shop.customer)


def entry_of_boxes(boxes: FormValues, zone: str) -> Entry:
    """Return the record that the DNS host makes of what is typed."""
    return Entry(*parse_boxes(boxes, zone))


def by_pages(domain: Domain, host: str) -> Iterator[Entry]:
    """Return the values of the records page and of the share link's page."""
    zone = domain.hosted.zone
    page = records_page(domain, can_check_in=0, host=host)
    yield from (
        entry_of_boxes(row.form_values, zone) for group in page.groups for row in group.rows if row.record.value
    )
    shared = [row for row in shared_page(domain, page).todo if row.record.value]
    yield from (entry_of_boxes(row.form_values, zone) for row in shared)


def by_mail(domain: Domain, sender: User, provider: DnsProvider) -> Iterator[Entry]:
    """Return the values in the text of the email, box by box."""
    zone, empty = domain.hosted.zone, form_values(domain.records[0], provider, domain.hosted.zone)
    letter = sharing_services.build_letter(
        domain=domain, sender=sender, host=provider.key, link=None, site_url="https://ours.example/"
    )
    for part in re.split(r"^\d+\. .*$", letter.text, flags=re.MULTILINE)[1:]:
        fields = dict(line[3:].split(": ", 1) for line in part.splitlines() if line.startswith("   ") and ": " in line)
        name = fields[provider.name_label].replace("(leave blank)", "")
        value, priority = fields[provider.value_label(fields["Type"])], fields.get(provider.priority_label, "")
        if value == NO_VALUE:
            continue
        yield entry_of_boxes(replace(empty, type=fields["Type"], name=name, value=value, priority=priority), zone)


def by_files(domain: Domain) -> Iterator[Entry]:
    wanted = entries(domain.records)
    for kind in FORMATS:
        yield from kind.read(export(wanted, kind, domain.hosted.zone).text, domain.hosted.zone)


def _has_value(record: WantedRecordOut) -> bool:
    """A record without a value has the reason instead, so that no list lacks it."""
    assert bool(record.value) != bool(record.withheld)
    return bool(record.value)


def by_api(domain: Domain) -> Iterator[Entry]:
    for record in filter(_has_value, wanted_records(domain)):
        priority, _, host = record.value.partition(" ") if record.type == "MX" else ("", "", record.value)
        yield Entry(record.name, record.type, host, int(priority) if priority else None)


def seen_with(domain: Domain, policies: PublishedPolicies) -> Observations:
    """Return the answers of a check in which only the records of SPF and DMARC exist, in any state.

    Whatever the policies don't have is unknown.
    """
    unknown = {Question(name, "TXT") for name in dmarc_questions(domain.parsed) if name not in policies.dmarc}
    held = {Question(name, "TXT"): lines for name, lines in (*policies.spf.items(), *policies.dmarc.items()) if lines}
    questions = dict.fromkeys(map(question_for, domain.records))
    zone = domain.parsed.zone
    return Observations(
        zone=zone,
        records=domain.records,
        servers=(SERVER,),
        soas=(answer_to(Question(zone, "SOA"), ("a. b. 7 1 1 1 60",)),),
        host=tuple(
            failed(question) if question in unknown else answer_to(question, held.get(question, ()))
            for question in questions
        ),
        spf=tuple(policies.inside.items()),
        spf_present=tuple(policies.present),
        dmarc=tuple(
            (name, policies.dmarc[name]) for name in dmarc_questions(domain.parsed)[1:] if name in policies.dmarc
        ),
        is_there=policies.is_there,
    )


def answer_to(question: Question, values: tuple[str, ...]) -> Answer:
    status = LookupStatus.FOUND if values else LookupStatus.NO_DATA
    return Answer(question, SERVER, status, values, 300, authoritative=True)


def failed(question: Question) -> Answer:
    return Answer(question, SERVER, LookupStatus.FAILED, error="SERVFAIL")


def by_diagnosis(found: Diagnosis, records: Mapping[str, Record]) -> Iterator[Entry]:
    """Return the values that the API offers to copy."""
    report: dict[str, Any] = as_json(found)
    for finding in filter(None, (report["finding"], *report["further"])):
        record, offered = records.get(finding["record_key"]), finding["data"]
        values = [offered[key] for key in ("value", "merged") if key in offered]
        yield from (entry_of(record, value) for value in values if record)


def by_reply(found: Diagnosis, records: Mapping[str, Record]) -> Iterator[Entry]:
    """Return the lines of SPF and DMARC in the steps of a reply to the customer, whichever finding is first."""
    for finding in found.findings:
        record, reply = records.get(finding.record_key), as_reply(replace(found, finding=finding, further=()))
        yield from (entry_of(record, value) for value in TO_PUBLISH.findall(reply) if record)


def entry_of(record: Record, value: str) -> Entry:
    return Entry(record.name, record.type, value, record.priority)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=SAME, suppress_health_check=list(HealthCheck))
@given(policies=PUBLISHED, provider=st.sampled_from(PROVIDERS), reports_to=st.sampled_from(["", "us@shop.example.com"]))
def test_every_channel_shows_the_same_valid_values(
    shop: Domain, alice: User, policies: PublishedPolicies, provider: DnsProvider, reports_to: str
) -> None:
    shop.policies, shop.dmarc_reports_to = policies.as_json(), reports_to
    records = {record.key: record for record in shop.records if record.value}
    wanted = {entry_of(record, record.value) for record in records.values()}
    later = {entry_of(records["mta-sts"], records["mta-sts"].value)}  # not before its policy is served
    assert set(by_pages(shop, provider.key)) == wanted
    assert set(by_mail(shop, alice, provider)) == wanted - later
    assert set(by_files(shop)) == set(by_api(shop)) == {entry_of(r, r.value) for r in shop.records if r.value} == wanted
    assert {(r.name, r.withheld) for r in records_of(shop)} == {(r.name, r.withheld) for r in shop.records}
    found = diagnose(shop.facts, seen_with(shop, policies), CONFIRMED, NOW, provider=provider)
    assert {(r.name, r.type, r.value, r.priority) for r in found.records if r.value} == {
        (entry.name, entry.type, entry.value, entry.priority) for entry in wanted
    }
    for entry in (*wanted, *by_diagnosis(found, records), *by_reply(found, records)):
        check(entry, shop, policies)


def test_the_reply_has_a_line_for_each_broken_record(shop: Domain) -> None:
    two, broken = ("v=spf1 mx -all", "v=spf1 a -all"), ("v=DMARC1; p=rejct",)
    policies = PublishedPolicies(
        spf={SHOP.ascii: two, f"bounce.{SHOP.ascii}": two}, dmarc={f"_dmarc.{SHOP.ascii}": broken}
    )
    shop.policies = replace(policies, present=frozenset((SHOP.ascii, kind) for kind in ("A", "MX"))).as_json()
    shop.policies["dmarc"] |= {name: [] for name in dmarc_questions(SHOP)[1:]}
    records = {record.key: record for record in shop.records if record.value}
    found = diagnose(shop.facts, seen_with(shop, shop.published), CONFIRMED, NOW)
    assert {entry.name for entry in by_reply(found, records)} >= {SHOP.ascii, f"_dmarc.{SHOP.ascii}"}


def check(entry: Entry, shop: Domain, policies: PublishedPolicies) -> None:
    """Check that it compares as correct, parses, authorises all earlier senders, and is no weaker than before."""
    record = next(each for each in shop.records if (each.name, each.type) == (entry.name, entry.type) and each.value)
    published = replace(record, value=entry.value)
    value = entry.value if entry.priority is None else f"{entry.priority} {entry.value}"
    assert compare(record, answer_to(question_for(record), (value,)), names=policies.names).verdict is Verdict.CORRECT
    if record.key in SPF_KEYS:
        check_spf(published, policies)
    if record.key == "dmarc":
        check_dmarc(published, shop.facts)


@pytest.mark.soak
def test_two_thousand_dns_states_hold_the_same() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not soak", "-p", "no:cacheprovider", __file__]
    own_database = {"DATABASE_URL": ""}  # this run holds the test database of its own server
    done = subprocess.run(command, env={**os.environ, **own_database, "ROAD_EXAMPLES": SOAK}, check=False)
    assert done.returncode == 0
