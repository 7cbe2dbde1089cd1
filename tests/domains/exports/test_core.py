"""Records as files: reading an export returns what was written, with our reader and with other programs."""

import dataclasses
import json
import subprocess
from pathlib import Path

import dns.zone
import pytest
import yaml
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from domains.exports.core.formats import FORMATS, ExportDiffers, ExportFormat, export, format_named
from domains.exports.core.values import (
    MOST_BYTES,
    Entry,
    ReplacedRecords,
    entries,
    quoted,
    replaced,
    strings,
    unquoted,
)
from tests.domains.installed_programs import program
from tests.domains.providers.test_core import RECORDS, ZONE

OURS = entries(RECORDS.values())
LONG = Entry(f"key._domainkey.{ZONE}", "TXT", "v=DKIM1; k=rsa; p=" + "A1+/" * 200)
LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABEL, max_size=3).map(lambda labels: ".".join([*labels, ZONE]))
HOSTS = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=600)
TTL = st.integers(60, 86_400)
ENTRIES = st.lists(
    st.one_of(
        st.builds(Entry, NAMES, st.just("TXT"), PRINTABLE.map(str.strip).filter(bool), ttl=TTL),
        st.builds(Entry, NAMES, st.just("CNAME"), HOSTS, ttl=TTL),
        st.builds(Entry, NAMES, st.just("MX"), HOSTS, st.integers(0, 65_535), TTL),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda entry: (entry.name, entry.type, entry.value, entry.priority),
)
formats = pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.key)


def one_ttl(made: list[Entry]) -> tuple[Entry, ...]:
    """Return records with one TTL for each record set."""
    ttls = {(entry.name, entry.type): entry.ttl for entry in made}
    return tuple(dataclasses.replace(entry, ttl=ttls[entry.name, entry.type]) for entry in made)


@formats
@given(made=ENTRIES)
def test_an_export_reads_back_as_written(kind: ExportFormat, made: list[Entry]) -> None:
    wanted = one_ttl(made)
    assert sorted(kind.read(export(wanted, kind, ZONE).text, ZONE), key=repr) == sorted(wanted, key=repr)


@formats
def test_every_format_exports_all_records_of_a_domain(kind: ExportFormat) -> None:
    done = export((*OURS, LONG), kind, ZONE)
    assert done.text.isascii()
    assert done.file_name.startswith(ZONE)


@formats
def test_an_export_without_records_reads_back_empty(kind: ExportFormat) -> None:
    assert kind.read(export((), kind, ZONE).text, ZONE) == ()


@formats
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_hostile_text_is_written_exactly_or_refused(kind: ExportFormat, text: str) -> None:
    """Text from a customer's SPF record becomes part of ours."""
    wanted = (Entry(ZONE, "TXT", text), *OURS)
    try:
        done = export(wanted, kind, ZONE)
    except ExportDiffers:
        return
    assert set(kind.read(done.text, ZONE)) == set(wanted)


def test_a_value_that_cannot_be_read_back_is_refused_with_the_reason() -> None:
    letter = format_named("letter")
    assert letter
    with pytest.raises(ExportDiffers, match="can't be written as Plain-text email"):
        export((Entry(ZONE, "TXT", "two\nlines"),), letter, ZONE)


@formats
@given(found=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400))
def test_the_current_value_changes_no_record(kind: ExportFormat, found: str) -> None:
    with_current_values = entries(RECORDS.values(), {"inbound-mx": (("MX", found), ("MX", "Record 1\n  Value: x"))})
    assert kind.read(export(with_current_values, kind, ZONE).text, ZONE)
    assert with_current_values == OURS


def test_the_email_shows_the_current_values() -> None:
    letter = format_named("letter")
    assert letter
    plain = export(OURS, letter, ZONE).text
    with_current_values = export(
        entries(RECORDS.values(), {"inbound-mx": (("MX", "1 aspmx.l.google.com"),)}), letter, ZONE
    ).text
    assert "Replaces:  1 aspmx.l.google.com" in with_current_values
    assert "1 of them replaces what is there now" in with_current_values
    assert "Please ask before you" in with_current_values
    assert "eplaces" not in plain


@pytest.mark.parametrize("key", [kind.key for kind in FORMATS if kind.comment])
def test_a_file_says_what_it_replaces_and_what_it_lacks(key: str) -> None:
    kind = format_named(key)
    assert kind
    replacing = entries(RECORDS.values(), {"inbound-mx": (("MX", "1 aspmx.l.google.com"),)})
    withheld = [dataclasses.replace(RECORDS["identity"], name=ZONE, value="", withheld="Correct “~al…”.\n--- x")]
    done = export(replacing, kind, ZONE, withheld)
    assert "1 aspmx.l.google.com" in done.text
    assert f"TXT {ZONE} isn't in this file: Correct" in done.text
    assert done.text.isascii()
    assert set(kind.read(done.text, ZONE)) == set(OURS)


@pytest.mark.parametrize("key", [kind.key for kind in FORMATS if kind.comment])
def test_a_file_names_a_record_of_another_type_that_is_in_the_way_once(key: str) -> None:
    kind = format_named(key)
    assert kind
    name = RECORDS["mail-from-mx"].name
    alias = (("CNAME", "u1.sendgrid.net"),)
    blocked = entries(RECORDS.values(), {"mail-from-mx": alias, "mail-from-spf": alias})
    text = export(blocked, kind, ZONE).text
    note = f"A CNAME at {name} is in the way of what is below, so delete this: u1.sendgrid.net ."
    assert "Replaces:  CNAME u1.sendgrid.net" in text if key == "letter" else text.count(note) == 1
    assert replaced(blocked) == (ReplacedRecords("CNAME", name, ("u1.sendgrid.net",)),)


@pytest.mark.parametrize("key", ["csv", "json"])
def test_a_table_has_a_column_with_what_is_replaced(key: str) -> None:
    kind = format_named(key)
    assert kind
    done = export(entries(RECORDS.values(), {"inbound-mx": (("MX", "1 aspmx.l.google.com"),)}), kind, ZONE)
    assert "1 aspmx.l.google.com" in done.text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=700))
def test_strings_are_short_enough_and_join_to_the_text(text: str) -> None:
    assert all(len(piece.encode()) <= MOST_BYTES for piece in strings(text))
    assert "".join(strings(text)) == text
    assert unquoted(quoted(text)) == text
    assert unquoted(quoted(text, octal=True), octal=True) == text


def zone_text(format_key: str, wanted: tuple[Entry, ...]) -> str:
    """Return a whole zone: the records, with SOA and NS."""
    kind = format_named(format_key)
    assert kind
    head = f"{ZONE}. 300 IN SOA ns1.{ZONE}. admin.{ZONE}. 1 3600 600 86400 60\n{ZONE}. 300 IN NS ns1.{ZONE}.\n"
    return f"{head}ns1.{ZONE}. 300 IN A 127.0.0.1\n{export(wanted, kind, ZONE).text}"


@pytest.mark.parametrize("key", ["zone", "zone-full"])
def test_dnspython_reads_the_zone_file(key: str) -> None:
    zone = dns.zone.from_text(zone_text(key, (*OURS, LONG)), origin=f"{ZONE}.", relativize=False)
    read = set()
    for name, ttl, rdata in zone.iterate_rdatas():
        if rdata.rdtype.name not in ("TXT", "CNAME", "MX"):
            continue
        owner = name.to_text(omit_final_dot=True)
        if isinstance(rdata, TXT):
            read.add(Entry(owner, "TXT", b"".join(rdata.strings).decode(), ttl=ttl))
        else:
            priority, _, host = rdata.to_text().rpartition(" ")
            read.add(Entry(owner, rdata.rdtype.name, host.rstrip("."), int(priority) if priority else None, ttl))
    assert read == {*OURS, LONG}


@pytest.mark.parametrize("key", ["zone", "zone-full"])
def test_named_checkzone_loads_the_zone_file_without_warnings(key: str, tmp_path: Path) -> None:
    checker = program("named-checkzone", package="bind9-utils")
    file = tmp_path / "zone"
    file.write_text(zone_text(key, (*OURS, LONG)))
    done = subprocess.run([checker, "-i", "local", ZONE, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines() == [f"zone {ZONE}/IN: loaded serial 1", "OK"]


def test_a_yaml_parser_reads_the_octodns_export() -> None:
    octodns = format_named("octodns")
    assert octodns
    read = yaml.safe_load(export((*OURS, LONG), octodns, ZONE).text)
    assert list(read) == sorted(read)
    assert read["_dmarc.shop"] == [{"ttl": 300, "type": "TXT", "value": "v=DMARC1\\; p=none"}]
    host = "inbound-smtp.eu-west-1.amazonaws.com."
    assert {"ttl": 300, "type": "MX", "values": [{"exchange": host, "preference": 10}]} in read["shop"]


def test_the_route53_change_batch_creates_and_never_replaces() -> None:
    route53 = format_named("route53")
    assert route53
    done = export((*OURS, LONG), route53, ZONE)
    changes = json.loads(done.text)["Changes"]
    assert {change["Action"] for change in changes} == {"CREATE"}
    values = [record["Value"] for change in changes for record in change["ResourceRecordSet"]["ResourceRecords"]]
    assert any(value.startswith('"v=DKIM1; k=rsa') and '" "' in value for value in values)
    assert f"file://{done.file_name}" in done.command


def test_terraform_template_sequences_are_escaped() -> None:
    terraform = format_named("terraform-cloudflare")
    assert terraform
    text = export((Entry(ZONE, "TXT", "${secret} %{if}"),), terraform, ZONE).text
    assert "$${secret} %%{if}" in text
    assert "proxied = false" in " ".join(text.split())
