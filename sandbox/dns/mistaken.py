"""Every mistake with one record, as a function from the wanted record to what is published instead."""

import re
from typing import Final

from sandbox.dns.mistake import Make, Mistake, Typed, WantedRecord, quoted, right, written

# Cloudflare's own ranges, since that is how a proxied record is told.
PROXY: Final = (("A", "104.21.32.10"), ("A", "172.67.150.10"), ("AAAA", "2606:4700:3030::6815:200a"))
OTHER_SPF: Final = "v=spf1 include:_spf.google.com ~all"
OTHER_MX: Final = "aspmx.l.google.com."
OTHER_IP: Final = "203.0.113.25"
ZERO_WIDTH_SPACE: Final = "\u200b"
_REGIONAL = re.compile(r"((?:inbound|feedback)-smtp)\.([a-z0-9-]+)\.(amazonaws|amazonses)\.com")

Records = tuple[Typed, ...]


def _is_txt(wanted: WantedRecord) -> bool:
    return wanted.type == "TXT"


def _is_mx(wanted: WantedRecord) -> bool:
    return wanted.type == "MX"


def _is_cname(wanted: WantedRecord) -> bool:
    return wanted.type == "CNAME"


def _is_host(wanted: WantedRecord) -> bool:
    return wanted.type in ("MX", "CNAME")


def _is_spf(wanted: WantedRecord) -> bool:
    return wanted.type == "TXT" and wanted.value.lower().startswith("v=spf1")


def _has_case(wanted: WantedRecord) -> bool:
    return wanted.type == "TXT" and wanted.value != wanted.value.lower()


def _can_be_outbid(wanted: WantedRecord) -> bool:
    return wanted.type == "MX" and (wanted.priority or 0) > 0


def _is_mail_from(wanted: WantedRecord) -> bool:
    return wanted.type == "MX" and wanted.value.startswith("feedback-smtp.")


def _is_regional(wanted: WantedRecord) -> bool:
    return wanted.type == "MX" and _REGIONAL.fullmatch(wanted.value.rstrip(".")) is not None


def _has_letters(wanted: WantedRecord) -> bool:
    return any(it.isascii() and it.isalnum() for it in wanted.value)


def _could_be_a_name(wanted: WantedRecord) -> bool:
    return re.fullmatch(r"[A-Za-z0-9._=+/-]+", wanted.value) is not None


def _instead(wanted: WantedRecord, value: str) -> Records:
    return (Typed(wanted.name, wanted.type, written(wanted, value)),)


def _moved(wanted: WantedRecord, name: str) -> Records:
    return (Typed(name, wanted.type, right(wanted).value),)


def spf_equals(wanted: WantedRecord, zone: str) -> Records:
    return _instead(wanted, wanted.value.replace("include:amazonses.com", "include=amazonses.com"))


def doubled(wanted: WantedRecord, zone: str) -> Records:
    return _moved(wanted, f"{wanted.name}.{zone}")


def value_appended(wanted: WantedRecord, zone: str) -> Records:
    return _instead(wanted, f"{wanted.value.rstrip('.')}.{zone}")


def at_apex(wanted: WantedRecord, zone: str) -> Records:
    return () if wanted.name == zone else _moved(wanted, zone)


def wrong_parent(wanted: WantedRecord, zone: str) -> Records:
    """Omit the label next to the zone: `abc._domainkey` typed for mail.example.com."""
    labels = wanted.name.removesuffix(f".{zone}").split(".")
    return _moved(wanted, ".".join([*labels[:-1], zone])) if wanted.name != zone and len(labels) > 1 else ()


def with_quotes(wanted: WantedRecord, zone: str) -> Records:
    return (Typed(wanted.name, "TXT", quoted(f'"{wanted.value}"')),)


def with_curly_quotes(wanted: WantedRecord, zone: str) -> Records:
    return _instead(wanted, f"“{wanted.value}”")


def with_invisible(wanted: WantedRecord, zone: str) -> Records:
    return _instead(wanted, f"{ZERO_WIDTH_SPACE}{wanted.value}")


def cut(wanted: WantedRecord, zone: str) -> Records:
    bare = wanted.value.rstrip(".")
    return _instead(wanted, bare[:255] if len(bare) > 255 else bare[:-1])


def mistyped(wanted: WantedRecord, zone: str) -> Records:
    """Replace the letter or digit nearest the middle with the next one."""
    value, middle = wanted.value, len(wanted.value) // 2
    letters = [at for at, it in enumerate(value) if it.isascii() and it.isalnum()]
    at = min(letters, key=lambda at: abs(at - middle))
    other = chr(ord(value[at]) + (-1 if value[at] in "zZ9" else 1))
    return _instead(wanted, f"{value[:at]}{other}{value[at + 1 :]}")


def lower_cased(wanted: WantedRecord, zone: str) -> Records:
    return _instead(wanted, wanted.value.lower())


def as_txt(wanted: WantedRecord, zone: str) -> Records:
    return (Typed(wanted.name, "TXT", wanted.value),)


def as_cname(wanted: WantedRecord, zone: str) -> Records:
    return (Typed(wanted.name, "CNAME", f"{wanted.value.rstrip('.')}."),)


def priority_inside(wanted: WantedRecord, zone: str) -> Records:
    """Type "10 host" as the name of the host, with its space escaped, after the DNS host's own priority."""
    return (Typed(wanted.name, "MX", f"{wanted.priority or 0} {wanted.priority or 0}\\032{wanted.value.rstrip('.')}."),)


def second_spf(wanted: WantedRecord, zone: str) -> Records:
    return (right(wanted), Typed(wanted.name, "TXT", OTHER_SPF))


def better_mx(wanted: WantedRecord, zone: str) -> Records:
    return (right(wanted), Typed(wanted.name, "MX", f"{(wanted.priority or 1) // 2} {OTHER_MX}"))


def two_mx(wanted: WantedRecord, zone: str) -> Records:
    return (right(wanted), Typed(wanted.name, "MX", f"{(wanted.priority or 0) + 10} mail.{zone}."))


def proxied(wanted: WantedRecord, zone: str) -> Records:
    return tuple(Typed(wanted.name, rrtype, value) for rrtype, value in PROXY)


def wildcard(wanted: WantedRecord, zone: str) -> Records:
    """Publish nothing at the name; a wildcard answers with another value of the same type."""
    if wanted.name == zone:
        return ()
    value = {"TXT": "v=spf1 -all", "MX": f"10 mail.{zone}."}.get(wanted.type, f"www.{zone}.")
    return (Typed(f"*.{wanted.name.partition('.')[2]}", wanted.type, value),)


def swapped(wanted: WantedRecord, zone: str) -> Records:
    name = f"{wanted.value.rstrip('.').lower()}.{zone}"
    return (Typed(name, wanted.type, written(wanted, wanted.name)),)


def other_region(wanted: WantedRecord, zone: str) -> Records:
    service, region, domain = re.split(r"\.", wanted.value.rstrip("."))[:3]
    return _instead(wanted, f"{service}.{'eu-west-1' if region != 'eu-west-1' else 'us-east-1'}.{domain}.com")


def null_mx(wanted: WantedRecord, zone: str) -> Records:
    return (Typed(wanted.name, "MX", "0 ."),)


def mx_to_ip(wanted: WantedRecord, zone: str) -> Records:
    return _instead(wanted, OTHER_IP)


def cname_beside(wanted: WantedRecord, zone: str) -> Records:
    if wanted.name == zone:
        return ()
    rival = ("TXT", "site-verification=1234") if wanted.type == "CNAME" else ("CNAME", f"www.{zone}.")
    return (right(wanted), Typed(wanted.name, *rival))


def _is_dmarc(wanted: WantedRecord) -> bool:
    return wanted.type == "TXT" and wanted.value.startswith("v=DMARC1")


def _before_all(term: str) -> Make:
    """Insert a broken term into an SPF record that is correct otherwise."""

    def make(wanted: WantedRecord, zone: str) -> Records:
        return _instead(wanted, re.sub(r"(?= [+?~-]?all$)", f" {term}", wanted.value))

    return make


def spf_glued(wanted: WantedRecord, zone: str) -> Records:
    return _instead(wanted, re.sub(r" ([+?~-]?all)$", r"\1", wanted.value))


def _as_dmarc(text: str) -> Make:
    def make(wanted: WantedRecord, zone: str) -> Records:
        return (Typed(wanted.name, "TXT", quoted(text.format(zone=zone))),)

    return make


RECORD_MISTAKES: Final = (
    Mistake(
        "name.doubled_zone", "Name doubled", "The host appended the domain to a name that already had it.", doubled
    ),
    Mistake(
        "value.appended_zone",
        "Domain added to the value",
        "The host treated the target as relative.",
        value_appended,
        _is_host,
    ),
    Mistake("name.apex", "At the domain itself", "The name was left blank.", at_apex, lambda it: not _is_cname(it)),
    Mistake(
        "name.wrong_parent", "Relative to the wrong parent", "The label next to the zone is missing.", wrong_parent
    ),
    Mistake(
        "name.swapped", "Name and value swapped", "Each was typed into the other's field.", swapped, _could_be_a_name
    ),
    Mistake("value.quoted", "Quotes in the value", "Quotation marks became part of the text.", with_quotes, _is_txt),
    Mistake(
        "value.curly_quotes",
        "Curly quotes",
        "Curly quotation marks were pasted.",
        with_curly_quotes,
        _is_txt,
    ),
    Mistake(
        "value.invisible",
        "Invisible character",
        "A zero-width space was pasted with the text.",
        with_invisible,
        _is_txt,
    ),
    Mistake("value.cut", "Value truncated", "The end is missing.", cut),
    Mistake("value.mistyped", "Typo in the value", "One letter in the middle is wrong.", mistyped, _has_letters),
    Mistake("value.lower_cased", "Lower-cased", "The host lower-cased a case-sensitive value.", lower_cased, _has_case),
    Mistake("type.cname_as_txt", "CNAME entered as TXT", "Correct name and value, wrong type.", as_txt, _is_cname),
    Mistake("type.mx_as_cname", "MX entered as CNAME", "Correct name and host, wrong type.", as_cname, _is_mx),
    Mistake(
        "value.priority_inside",
        "Priority in the value",
        "The priority was typed before the host.",
        priority_inside,
        _is_mx,
    ),
    Mistake(
        "value.other_region", "Host of another region", "The host is in another region.", other_region, _is_regional
    ),
    Mistake("value.null_mx", "Null MX", "“0 .” means that no mail is accepted.", null_mx, _is_mx),
    Mistake("value.mx_to_ip", "MX to an IP address", "An IP address is used instead of a host name.", mx_to_ip, _is_mx),
    Mistake("rival.second_spf", "Second SPF", "Two SPF records at one name invalidate both.", second_spf, _is_spf),
    Mistake("rival.better_mx", "Rival MX", "Another host has the better priority.", better_mx, _can_be_outbid),
    Mistake("rival.two_mx", "Two MX at MAIL FROM", "MAIL FROM allows exactly one MX.", two_mx, _is_mail_from),
    Mistake("rival.proxied", "Proxied CNAME", "The host answers with its own addresses instead.", proxied, _is_cname),
    Mistake("rival.wildcard", "Wildcard answers", "The record is missing and a wildcard answers.", wildcard),
    Mistake(
        "spf.address",
        "SPF with an invalid address",
        "The IPv4 address is invalid.",
        _before_all("ip4:300.1.1.1"),
        _is_spf,
    ),
    Mistake("spf.glued", "SPF terms without a space", "A space is missing.", spf_glued, _is_spf),
    Mistake("spf.comma", "SPF with a comma", "A comma is used instead of a space.", _before_all("mx,a"), _is_spf),
    Mistake("spf.url", "SPF with a URL", "A URL was pasted.", _before_all("a:https://x.example"), _is_spf),
    Mistake("spf.equals", "SPF with “=” for “:”", "include=, which receivers ignore.", spf_equals, _is_spf),
    Mistake("dmarc.version", "DMARC version in lower case", "v=dmarc1.", _as_dmarc("v=dmarc1; p=reject"), _is_dmarc),
    Mistake("dmarc.backslash", "DMARC with a backslash", "\\;", _as_dmarc("v=DMARC1\\; p=reject"), _is_dmarc),
    Mistake(
        "dmarc.space",
        "DMARC with a leading space",
        "The value starts with a space.",
        _as_dmarc(" v=DMARC1; p=quarantine"),
        _is_dmarc,
    ),
    Mistake(
        "dmarc.order", "DMARC tags in the wrong order", "p comes first.", _as_dmarc("p=reject; v=DMARC1"), _is_dmarc
    ),
    Mistake(
        "dmarc.mailto",
        "DMARC reports without mailto:",
        "The address has no mailto:.",
        _as_dmarc("v=DMARC1; p=none; rua=reports@{zone}"),
        _is_dmarc,
    ),
    Mistake(
        "rival.cname_beside", "CNAME next to other records", "A name with a CNAME has other records too.", cname_beside
    ),
)
