"""Every mistake on the menu breaks its record, and publishing the record correctly fixes it."""

import json

import dns.rcode
import pytest

from sandbox.dns.mistake import Mistake, WantedRecord
from sandbox.dns.mistakes import MISTAKES, apply, mistake_of, publish, publish_missing
from sandbox.dns.records import rdata_of
from sandbox.dns.resolve import ask, resolve
from sandbox.dns.zones import ZoneStore
from sandbox.record_state import facts_of, has_rival, is_right

ZONE = "example.co.uk"
NAME = f"shop.{ZONE}"
TOKEN = "AbCdEfGh0123456789ijKLmnopQRstuvWXyz="
WANTED = (
    WantedRecord("identity", "TXT", f"_amazonses.{NAME}", TOKEN),
    WantedRecord("dkim1", "CNAME", f"abcd1._domainkey.{NAME}", "abcd1.dkim.amazonses.com"),
    WantedRecord("dkim2", "CNAME", f"abcd2._domainkey.{NAME}", "abcd2.dkim.amazonses.com"),
    WantedRecord("inbound", "MX", NAME, "inbound-smtp.us-east-1.amazonaws.com", 10),
    WantedRecord("mail_from_mx", "MX", f"bounce.{NAME}", "feedback-smtp.us-east-1.amazonses.com", 10),
    WantedRecord("mail_from_spf", "TXT", f"bounce.{NAME}", "v=spf1 include:amazonses.com ~all"),
    WantedRecord("dmarc", "TXT", f"_dmarc.{NAME}", "v=DMARC1; p=none"),
)
PAIRS = [(mistake, wanted) for mistake in MISTAKES for wanted in WANTED if mistake.applies_to(wanted, ZONE)]


@pytest.fixture
def store() -> ZoneStore:
    made = ZoneStore()
    made.add_zone(ZONE, ["ns1.host.example", "ns2.host.example"])
    made.add_record(ZONE, f"www.{ZONE}", "A", "192.0.2.80")
    return made


def published(store: ZoneStore) -> set[tuple[str, str, str]]:
    return {(it.name, it.type, it.value) for it in store.records(ZONE) if it.type != "SOA"}


def seen(store: ZoneStore, wanted: WantedRecord) -> list[str]:
    """Return the answers of the resolver and each nameserver, for all types at the record's name."""
    types = ("A", "CNAME", "MX", "TXT", "ANY")
    answers = [resolve(store, wanted.name, it) for it in types]
    answers += [ask(store, server, wanted.name, it) for server in store.nameservers(ZONE) for it in types]
    return [repr((it.rcode, it.silent, sorted(_texts(held.records) for held in it.answer))) for it in answers]


def _texts(records: tuple[object, ...]) -> list[str]:
    return sorted(f"{getattr(it, 'type', '')} {getattr(it, 'value', '')}" for it in records)


@pytest.mark.parametrize(("mistake", "wanted"), PAIRS, ids=lambda it: getattr(it, "code", None) or it.key)
def test_a_mistake_is_visible_and_publishing_fixes_it(store: ZoneStore, mistake: Mistake, wanted: WantedRecord) -> None:
    publish_missing(store, ZONE, WANTED)
    right, answered = published(store), seen(store, wanted)
    apply(store, ZONE, wanted, mistake.code)
    assert seen(store, wanted) != answered
    publish(store, ZONE, wanted)
    assert published(store) == right
    assert seen(store, wanted) == answered
    assert store.faults() == ()


@pytest.mark.parametrize("wanted", WANTED, ids=lambda it: it.key)
def test_consecutive_mistakes_leave_nothing_behind(store: ZoneStore, wanted: WantedRecord) -> None:
    publish_missing(store, ZONE, WANTED)
    right = published(store)
    for mistake in (mistake for mistake, its in PAIRS if its == wanted):
        apply(store, ZONE, wanted, mistake.code)
    publish_missing(store, ZONE, WANTED)
    assert published(store) == right


def test_every_mistake_applies_to_some_record() -> None:
    assert {mistake.code for mistake, _ in PAIRS} == {mistake.code for mistake in MISTAKES}
    assert len({mistake.code for mistake in MISTAKES}) == len(MISTAKES) == 38


def by_key(key: str) -> WantedRecord:
    return next(it for it in WANTED if it.key == key)


@pytest.mark.parametrize(
    ("code", "key", "expected"),
    [
        ("name.doubled_zone", "inbound", [(f"{NAME}.{ZONE}", "MX", "10 inbound-smtp.us-east-1.amazonaws.com.")]),
        ("value.appended_zone", "inbound", [(NAME, "MX", f"10 inbound-smtp.us-east-1.amazonaws.com.{ZONE}.")]),
        ("name.apex", "mail_from_mx", [(ZONE, "MX", "10 feedback-smtp.us-east-1.amazonses.com.")]),
        ("name.wrong_parent", "dkim1", [(f"abcd1._domainkey.{ZONE}", "CNAME", "abcd1.dkim.amazonses.com.")]),
        ("name.swapped", "inbound", [(f"inbound-smtp.us-east-1.amazonaws.com.{ZONE}", "MX", f"10 {NAME}.")]),
        ("value.quoted", "identity", [(f"_amazonses.{NAME}", "TXT", f'"\\"{TOKEN}\\""')]),
        ("value.curly_quotes", "identity", [(f"_amazonses.{NAME}", "TXT", f"“{TOKEN}”")]),
        ("value.cut", "dkim1", [(f"abcd1._domainkey.{NAME}", "CNAME", "abcd1.dkim.amazonses.co.")]),
        ("value.lower_cased", "identity", [(f"_amazonses.{NAME}", "TXT", TOKEN.lower())]),
        ("type.cname_as_txt", "dkim1", [(f"abcd1._domainkey.{NAME}", "TXT", "abcd1.dkim.amazonses.com")]),
        ("type.mx_as_cname", "inbound", [(NAME, "CNAME", "inbound-smtp.us-east-1.amazonaws.com.")]),
        ("value.priority_inside", "inbound", [(NAME, "MX", "10 10\\032inbound-smtp.us-east-1.amazonaws.com.")]),
        ("value.other_region", "inbound", [(NAME, "MX", "10 inbound-smtp.eu-west-1.amazonaws.com.")]),
        ("value.null_mx", "inbound", [(NAME, "MX", "0 .")]),
        ("value.mx_to_ip", "inbound", [(NAME, "MX", "10 203.0.113.25.")]),
        (
            "rival.better_mx",
            "inbound",
            [(NAME, "MX", "10 inbound-smtp.us-east-1.amazonaws.com."), (NAME, "MX", "5 aspmx.l.google.com.")],
        ),
        ("rival.wildcard", "mail_from_mx", [(f"*.{NAME}", "MX", f"10 mail.{ZONE}.")]),
    ],
)
def test_a_mistake_publishes_what_a_person_would_have(
    store: ZoneStore, code: str, key: str, expected: list[tuple[str, str, str]]
) -> None:
    made = apply(store, ZONE, by_key(key), code)
    assert [(it.name, it.type, it.value) for it in made] == expected


def test_a_long_text_is_truncated_at_255(store: ZoneStore) -> None:
    made = apply(store, ZONE, WantedRecord("key", "TXT", f"k.{ZONE}", "x" * 300), "value.cut")
    assert made[0].value == "x" * 255


def test_a_mistyped_value_differs_in_one_letter(store: ZoneStore) -> None:
    for wanted in WANTED:
        (made,) = apply(store, ZONE, wanted, "value.mistyped")
        host = made.value.removeprefix("10 ").rstrip(".")
        assert len(host) == len(wanted.value)
        assert sum(a != b for a, b in zip(host, wanted.value, strict=True)) == 1


def test_a_mistake_that_does_not_apply_is_refused(store: ZoneStore) -> None:
    assert not mistake_of("type.mx_as_cname").applies_to(by_key("identity"))
    with pytest.raises(ValueError, match="doesn't apply"):
        apply(store, ZONE, by_key("identity"), "type.mx_as_cname")
    with pytest.raises(ValueError, match="Unknown mistake"):
        apply(store, ZONE, by_key("identity"), "none.such")


def test_a_single_nameserver_cannot_disagree(store: ZoneStore) -> None:
    store.add_zone("example.org", ["ns1.host.example"])
    with pytest.raises(ValueError, match="fewer than two"):
        apply(store, "example.org", WantedRecord("a", "TXT", "x.example.org", "y"), "zone.disagree")


def test_nameservers_disagree_and_the_resolver_has_the_record(store: ZoneStore) -> None:
    wanted = by_key("inbound")
    apply(store, ZONE, wanted, "zone.disagree")
    assert ask(store, "ns1.host.example", NAME, "MX").answer
    assert not ask(store, "ns2.host.example", NAME, "MX").answer
    assert resolve(store, NAME, "MX").answer


def test_only_one_of_two_nameservers_is_lame(store: ZoneStore) -> None:
    apply(store, ZONE, by_key("inbound"), "zone.lame")
    assert ask(store, "ns1.host.example", NAME, "MX").authoritative
    assert not ask(store, "ns2.host.example", NAME, "MX").authoritative
    assert resolve(store, NAME, "MX").rcode == dns.rcode.NOERROR


def test_publishing_keeps_records_added_by_hand(store: ZoneStore) -> None:
    by_hand = store.add_record(ZONE, NAME, "MX", "5 aspmx.l.google.com")
    apply(store, ZONE, by_key("inbound"), "rival.better_mx")
    publish(store, ZONE, by_key("inbound"))
    assert by_hand in store.records(ZONE)


def test_a_conflicting_record_blocks_only_its_own_name(store: ZoneStore) -> None:
    by_hand = store.add_record(ZONE, by_key("dkim1").name, "TXT", "something")
    assert len(publish_missing(store, ZONE, WANTED)) == len(WANTED) - 1
    assert by_hand in store.records(ZONE)
    publish(store, ZONE, by_key("dkim1"))
    assert [each.type for each in store.records(ZONE) if each.name == by_hand.name] == ["CNAME"]


@pytest.mark.parametrize(
    ("key", "rtype", "value"),
    [
        ("dkim1", "TXT", "typed as text"),
        ("dkim1", "CNAME", "other.dkim.amazonses.com"),
        ("mail_from_spf", "TXT", "v=spf1 include:_spf.google.com ~all"),
    ],
)
def test_a_wrong_manual_record_is_fixed_by_publishing(store: ZoneStore, key: str, rtype: str, value: str) -> None:
    wanted = by_key(key)
    store.add_record(ZONE, wanted.name, rtype, value)
    assert has_rival(wanted, facts_of(store.records(ZONE)))
    publish(store, ZONE, wanted)
    facts = facts_of(store.records(ZONE))
    assert (has_rival(wanted, facts), is_right(wanted, facts)) == (False, True)


def test_publishing_twice_publishes_once(store: ZoneStore) -> None:
    assert len(publish_missing(store, ZONE, WANTED)) == len(WANTED)
    version = store.version
    assert publish_missing(store, ZONE, WANTED) == ()
    assert publish(store, ZONE, WANTED[0]).value == TOKEN
    assert store.version == version


def test_a_mistake_can_be_fixed_after_a_restart(store: ZoneStore) -> None:
    publish_missing(store, ZONE, WANTED)
    right = published(store)
    apply(store, ZONE, by_key("dkim1"), "rival.proxied")
    again = ZoneStore()
    again.restore(json.loads(json.dumps(store.snapshot())))
    publish_missing(again, ZONE, WANTED)
    assert published(again) == right


def test_a_value_with_quotes_is_published_unchanged(store: ZoneStore) -> None:
    record = publish(store, ZONE, WantedRecord("q", "TXT", f"q.{ZONE}", '"a" \\ b'))
    assert rdata_of("TXT", record.value).to_text() == r'"\"a\" \\ b"'
