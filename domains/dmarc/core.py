"""Parses DMARC records (RFC 9989; RFC 7489 for today's receivers) and finds the policy that applies to a domain. Pure.

Receivers skip a record with a fatal problem as if it did not exist. Other problems cost one tag. A policy is inherited
from the organizational domain, as `sp`, or `p` if there is no `sp`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domains.names.core import DomainName
from domains.spf.core.grammar import RecordProblem

POLICIES = ("none", "quarantine", "reject")  # the weakest first
_ALIGNMENT = ("adkim", "aspf")
_OF_THE_ORGANIZATION = ("sp", "np", "psd")  # tags without effect in the record of a subdomain

_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")  # case-sensitive (RFC 7489 6.4)
_RESEMBLING = re.compile(r"""[\s"'“”\\(]*(?:v\s*=?\s*DMARC|DMARC\s*1)\s*[0-9]?\s*(?:[;\\\s,:]|$)""", re.IGNORECASE)
_UNVERSIONED = re.compile(r"""[\s"'“”]*p\s*=\s*(?:none|quarantine|reject)\b""", re.IGNORECASE)
_ANYWHERE = re.compile(r"(?:^|[;,\s])v\s*=\s*DMARC1", re.IGNORECASE)
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ADDRESS = re.compile(r"[^@\s,;!<>()/]+@[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.[A-Za-z0-9-]+")
_ADDRESS_IN = re.compile(
    r"[^@\s,;!<>()/:\"'“”]{1,64}@[A-Za-z0-9_](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z0-9-]*[A-Za-z][A-Za-z0-9-]*"
)
_MISSING_SEMICOLON = re.compile(r"[\s,:]{1,20}(?=(?:p|sp|np|rua|ruf|adkim|aspf|fo|pct|ri|rf|t|psd)\s*=)", re.IGNORECASE)
_PADDING = " \t\r\n\"'“”‘’.,\\"
_SOFTENING = ("pct", "t")  # if receivers could not parse these in a record in use, they did not weaken the policy
_SIZE = re.compile(r"[0-9]+[kmgt]?", re.IGNORECASE)
_ALLOWED: Mapping[str, re.Pattern[str]] = {
    "p": re.compile("none|quarantine|reject", re.IGNORECASE),
    "sp": re.compile("none|quarantine|reject", re.IGNORECASE),
    "np": re.compile("none|quarantine|reject", re.IGNORECASE),
    "adkim": re.compile("[rs]", re.IGNORECASE),
    "aspf": re.compile("[rs]", re.IGNORECASE),
    "fo": re.compile("[01ds](?::[01ds])*", re.IGNORECASE),
    "t": re.compile("[yn]", re.IGNORECASE),
    "psd": re.compile("[ynu]", re.IGNORECASE),
    "pct": re.compile("100|[1-9]?[0-9]"),
    "ri": re.compile("[0-9]+"),
    "rf": re.compile("afrf(?::afrf)*", re.IGNORECASE),
}
_CHOICES = {
    **dict.fromkeys(("p", "sp", "np"), "none, quarantine or reject"),
    **dict.fromkeys(("adkim", "aspf"), "r or s"),
    "t": "y or n",
    "psd": "y, n or u",
    "pct": "a number from 0 to 100",
}


@dataclass(frozen=True)
class DmarcTag:
    """`at` is the offset of the tag in the record. `name` is in lower case."""

    name: str
    value: str
    text: str
    at: int


@dataclass(frozen=True)
class DmarcRecord:
    """`is_used`: receivers use the record at all. `tags` has no tags with problems."""

    tags: Mapping[str, str]
    problems: tuple[RecordProblem, ...]
    is_used: bool

    @property
    def policy(self) -> str:
        """Return `p`. Without a valid one receivers only monitor (RFC 9989 4.7; RFC 7489 6.6.3 also wants a `rua`)."""
        return self.tags.get("p", "none").lower()

    @property
    def policy_below(self) -> str:
        """Return the policy of subdomains that exist and have no record of their own."""
        return self.tags.get("sp", self.policy).lower()

    @property
    def reports(self) -> tuple[str, ...]:
        """Return the addresses that get aggregate reports."""
        return tuple(address_of(uri) for uri in self.tags.get("rua", "").split(",") if uri.strip())


@dataclass(frozen=True)
class AppliedPolicy:
    """`policy` applies to the domain because of the record at `name`."""

    policy: str
    name: str
    text: str


def is_dmarc(text: str) -> bool:
    """Return True if receivers recognise the text as DMARC: the version comes first, in this case."""
    return _VERSION.match(text) is not None


def resembles_dmarc(text: str) -> bool:
    """Return True if the text was meant as DMARC although receivers skip it."""
    is_meant = _RESEMBLING.match(text) or _UNVERSIONED.match(text) or _ANYWHERE.search(text)
    return not is_dmarc(text) and bool(is_meant)


def parse(text: str) -> DmarcRecord:
    """Parse any text. Everything invalid is listed in `problems`."""
    tags = _split(text)
    fatal = [] if is_dmarc(text) else [_problem_of_version(text)]
    sound: dict[str, str] = {}
    found: list[RecordProblem] = []
    for number, tag in enumerate(tags):
        if number == 0 or (tag.name == "v" and fatal):
            continue
        if why := _problem_of(tag, sound, number):
            found.append(RecordProblem(tag.at, tag.at + len(tag.text), why))
        if tag.name not in sound and not _problem_of_value(tag):
            sound[tag.name] = tag.value
    missing = [] if fatal or any(tag.name == "p" for tag in tags) else [_missing_policy(text)]
    is_used = not fatal and ("p" in sound or "rua" in sound)
    return DmarcRecord(sound, (*fatal, *missing, *found), is_used)


def find_policy(
    own: Sequence[str] | None, above: Iterable[tuple[str, Sequence[str] | None]], *, exists: bool = True
) -> AppliedPolicy | None:
    """Return the policy of the deciding record: the domain's own, its organizational domain's, or a registry's (RFC
    9989 4.10).

    `above` has (name, values) of `_dmarc` at the parent domains, nearest first; None means that the lookup failed.
    Returns None if no policy applies. Raises ValueError if a failed lookup leaves it open. `exists` False: `np` counts
    too.
    """
    if own is None:
        raise ValueError("the lookup of the domain's own policy failed")
    if (line := usable_record(own)) is not None:
        return AppliedPolicy(parse(line).policy, "", line)
    best, below = None, None
    for name, values in above:
        if values is None:
            raise ValueError(f"the lookup of the policy at {name} failed")
        line = usable_record(values)
        here = AppliedPolicy(_policy_for(parse(line), exists=exists), name, line) if line is not None else None
        psd = parse(line).tags.get("psd", "").lower() if line is not None else ""
        if psd == "y":  # a registry: the organization is the domain directly below it
            return below or here
        best, below = here or best, here
        if psd == "n":
            return here
    return best


def _policy_for(record: DmarcRecord, *, exists: bool) -> str:
    """Return the policy of a subdomain without a record: `sp`, or if its name is absent the stricter of `sp`, `np`."""
    missing = record.tags.get("np", record.policy_below).lower()
    return record.policy_below if exists else max(record.policy_below, missing, key=POLICIES.index)


def usable_record(values: Sequence[str]) -> str | None:
    """Return the one record that receivers use. Two records make both invalid."""
    lines = [value for value in values if is_dmarc(value)]
    return lines[0] if len(lines) == 1 and parse(lines[0]).is_used else None


def is_weaker(policy: str, other: str) -> bool:
    return POLICIES.index(policy) < POLICIES.index(other)


def parse_leniently(text: str) -> dict[str, str]:
    """Return the tags as the author meant them: with missing semicolons and "mailto:" added and stray characters
    removed.

    Valid tags are unchanged. Tags that cannot be repaired, or would weaken the policy, are left out.
    """
    record = parse(text)
    tags = dict(record.tags)
    for tag in _split(_MISSING_SEMICOLON.sub("; ", text)):
        name, value = _repair_tag(tag)
        if name == "rua" and name in tags:
            tags[name] = _merge_addresses(tags[name], value)
        elif name not in tags and _is_valid(name, value) and not _weakens(name, value, record):
            tags[name] = value
    return {**tags, "p": tags["p"].lower()} if "p" in tags else tags


def _repair_tag(tag: DmarcTag) -> tuple[str, str]:
    """Return a tag name and its repaired value, "" if it cannot be repaired."""
    if tag.name.startswith("mailto:"):  # a semicolon where a comma was meant
        return "rua", _addresses_in(tag.text)
    if tag.name in ("rua", "ruf"):
        return tag.name, _addresses_in(tag.value)
    name, value = "p" if tag.name == "policy" else tag.name, tag.value.strip(_PADDING)
    if name in _ALIGNMENT and value.lower() in ("strict", "relaxed"):
        value = value[0].lower()
    return name, value if name in _ALLOWED else ""


def _is_valid(name: str, value: str) -> bool:
    return bool(value) and not _problem_of_value(DmarcTag(name, value, f"{name}={value}", 0))


def _weakens(name: str, value: str, record: DmarcRecord) -> bool:
    """Return True if the tag would weaken a policy that is in force without it."""
    if not record.is_used:
        return False
    return name in _SOFTENING or (name in ("sp", "np") and is_weaker(value.lower(), record.policy_below))


def _merge_addresses(*lists: str) -> str:
    """Merge lists of report URIs, each address once."""
    uris = [uri.strip() for uris in lists for uri in uris.split(",") if uri.strip()]
    first = {address_of(uri): uri for uri in reversed(uris)}
    return ",".join(first[address] for address in dict.fromkeys(map(address_of, uris)))


def _addresses_in(text: str) -> str:
    """Return all email addresses in the text as a list of URIs."""
    return ",".join(f"mailto:{address}" for address in dict.fromkeys(_ADDRESS_IN.findall(text)))


def repair(text: str, reports_to: str = "", above: AppliedPolicy | None = None) -> str:
    """Return a repaired record: version first, `p` second, nothing weaker than `above`.

    `reports_to` is added to its report addresses. What was valid is kept.
    """
    tags = parse_leniently(text)
    policy = max(tags.get("p", "none"), above.policy if above else "none", key=POLICIES.index)
    kept = {name: value for name, value in tags.items() if name not in ("v", "p", "rua", "policy")}
    kept |= {name: value for name, value in parse(above.text).tags.items() if name in _ALIGNMENT} if above else {}
    added = f"mailto:{reports_to}" if reports_to else ""
    reports = _merge_addresses(tags.get("rua", ""), added)
    rua = {"rua": reports} if reports else {}
    return "; ".join(("v=DMARC1", *(f"{name}={value}" for name, value in {"p": policy, **kept, **rua}.items())))


def mildest_of(lines: Sequence[str]) -> str:
    """Return the first line with the mildest value of each tag of them all.

    Receivers ignore several records together, so none of their policies is in force today. The strictest one would
    make receivers reject mail that they accept now.
    """
    read = [parse_leniently(line) for line in lines]
    policy, below, missing = (_mildest_policy(read, names) for names in (("p",), ("sp", "p"), ("np", "sp", "p")))
    others = {name: value for name, value in read[0].items() if name not in (*_ALLOWED, "v", "rua")}
    tags = {"p": policy, **({"sp": below} if below != policy else {}), **({"np": missing} if missing != below else {})}
    strict = {name: "s" for name in _ALIGNMENT if all(each.get(name, "").lower() == "s" for each in read)}
    share = min(int(each.get("pct", "100")) for each in read)
    softer = {"pct": str(share)} if share < 100 else {}
    softer |= {"t": "y"} if any(each.get("t", "").lower() == "y" for each in read) else {}
    reports = {"rua": _merge_addresses(*(each.get("rua", "") for each in read))}
    all_tags = {**tags, **strict, **softer, **others, **{name: value for name, value in reports.items() if value}}
    return "; ".join(("v=DMARC1", *(f"{name}={value}" for name, value in all_tags.items())))


def _mildest_policy(read: Iterable[Mapping[str, str]], names: Sequence[str]) -> str:
    """Return the mildest policy; the first of `names` that a record has decides for it, as receivers read it."""
    found = (next((each[name].lower() for name in names if name in each), "none") for each in read)
    return min(found, key=POLICIES.index)


def monitoring_record(reports_to: str = "") -> str:
    """Return a policy for domains to which none applies. No "pct": receivers disagree, and RFC 9989 drops it."""
    return "; ".join(("v=DMARC1; p=none", *([f"rua=mailto:{reports_to}"] if reports_to else [])))


def copy_inherited(above: AppliedPolicy, reports_to: str = "") -> str:
    """Return a record for the domain with what it inherits: the same policy, alignment and reports."""
    tags = {name: value for name, value in parse(above.text).tags.items() if name not in _OF_THE_ORGANIZATION}
    text = "; ".join(("v=DMARC1", *(f"{name}={value}" for name, value in {**tags, "p": above.policy}.items())))
    return repair(text, reports_to)


def address_of(uri: str) -> str:
    """Return the address of a `mailto:` URI, in lower case, without the size limit."""
    return re.sub(r"^mailto:", "", uri.strip(), flags=re.IGNORECASE).partition("!")[0].lower()


def consent_name(domain: str, address: str) -> str:
    """Return the name where the report receiver's domain consents to reports (RFC 9990; RFC 7489 7.1)."""
    return f"{domain}._report._dmarc.{address.rpartition('@')[2].lower()}"


def reports_elsewhere(lines: Iterable[str], domain: str) -> tuple[str, ...]:
    """Return the report addresses in other organizations' domains, which must consent."""
    own = DomainName.from_stored(domain).zone
    addresses = dict.fromkeys(address for line in lines for address in parse(line).reports)
    return tuple(each for each in addresses if DomainName.from_stored(each.rpartition("@")[2]).zone != own)


def _split(text: str) -> list[DmarcTag]:
    """Split at semicolons. Empty parts are skipped."""
    tags = []
    for part in re.finditer(r"[^;]+", text):
        bare = part[0].strip(" \t")
        if bare:
            name, _, value = bare.partition("=")
            at = part.start() + part[0].index(bare)
            tags.append(DmarcTag(name.strip(" \t").lower(), value.strip(" \t"), bare, at))
    return tags


def _problem_of_version(text: str) -> RecordProblem:
    """Explain why receivers do not recognise the record as DMARC."""
    end = len(text.partition(";")[0])
    if lead := re.match(r"[\s\"'“”\\(]+", text):
        return RecordProblem(0, lead.end(), "The record must start with “v=DMARC1”.")
    if "\\" in text[:end]:
        return RecordProblem(0, end, "Remove the backslash before the semicolon.")
    if re.fullmatch(r"v\s*=\s*DMARC1\s*", text[:end], re.IGNORECASE):
        return RecordProblem(0, end, "The version must be “v=DMARC1”, with exactly this capitalisation.")
    if re.match(r"v\s*=\s*DMARC1", text[:end], re.IGNORECASE):
        return RecordProblem(0, end, "A semicolon must follow “v=DMARC1”.")
    if at := _ANYWHERE.search(text):
        return RecordProblem(at.start(), at.end(), "“v=DMARC1” must be the first tag.")
    return RecordProblem(0, end, "The record must start with “v=DMARC1;”.")


def _missing_policy(text: str) -> RecordProblem:
    return RecordProblem(0, len(text), "The record has no policy. Add “p=none”, “p=quarantine” or “p=reject”.")


def _problem_of(tag: DmarcTag, before: Mapping[str, str], number: int) -> str:
    if "=" not in tag.text or not _TAG.fullmatch(tag.name):
        return f"“{tag.text}” is not a tag. Each tag is a name, “=” and a value; a semicolon ends it."
    if "\\" in tag.text:
        return "Remove the backslash before the semicolon."
    if tag.name in before:
        return f"“{tag.name}” can appear only once."
    if why := _problem_of_value(tag):
        return why
    is_misplaced = tag.name == "p" and number != 1
    return "“p” must follow “v=DMARC1”, or older receivers ignore the record." if is_misplaced else ""


def _problem_of_value(tag: DmarcTag) -> str:
    if tag.name in ("rua", "ruf"):
        return next((why for uri in tag.value.split(",") if (why := _problem_of_uri(tag.name, uri.strip(" \t")))), "")
    allowed = _ALLOWED.get(tag.name)
    if allowed is None or allowed.fullmatch(tag.value):
        return "" if "=" in tag.text and _TAG.fullmatch(tag.name) and "\\" not in tag.text else "broken"
    choices = _CHOICES.get(tag.name)
    return f"“{tag.value}” is not a value for “{tag.name}”" + (f": use {choices}." if choices else ".")


def _problem_of_uri(name: str, uri: str) -> str:
    if not uri:
        return f"“{name}” has an empty address."
    address, limited, size = uri.partition("!")
    if not address.lower().startswith("mailto:"):
        return f"“{uri}” must begin with “mailto:”." if "@" in uri else f"“{uri}” is not an email address."
    if not _ADDRESS.fullmatch(address[len("mailto:") :]) or (limited and not _SIZE.fullmatch(size)):
        return f"“{uri}” is not an email address."
    return ""
