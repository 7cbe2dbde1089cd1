"""Parses a pasted domain name and detects look-alike names. Pure.

Refusals carry a code and a sentence. A label is a look-alike by the rules by which browsers show it as `xn--` (UTS 39,
"highly restrictive"): Latin may mix with the scripts of Chinese, Japanese or Korean; no other scripts may mix.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import NoReturn

import idna
from publicsuffixlist import PublicSuffixList

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.mail_addresses import with_hyphens, without_list_mark

_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)
_OTHER_NAMES = {
    "KATAKANA-HIRAGANA": "KATAKANA",
    "IDEOGRAPHIC": "CJK",
    "ARABIC-INDIC": "ARABIC",
    "EXTENDED": "ARABIC",  # ARABIC-INDIC DIGIT
}
_LIKE_LATIN = frozenset(
    "асԁеһіјӏорԛѕԝхуѵьӕгкпшмтвн" + "αγικνορτυχωϲϳ" + "օոսցհյզ" + "ɑɡɩıĸ" + "०০੦૦୦௦౦೦൦๐໐၀〇" + "ꞏノ丿丶丨一ー"
)
_SECOND_DOT = re.compile("[ijlı]\u0307")


def is_look_alike(name: str) -> bool:
    """Return True if readers could mistake any label of a Unicode name for one written in other letters."""
    return not name.isascii() and any(_is_look_alike(label) for label in name.split("."))


def _is_look_alike(label: str) -> bool:
    letters = [char for char in label if _has_script(char)]
    scripts = {_script(letter) for letter in letters}
    is_mixed = len(scripts) > 1 and not any(scripts <= allowed for allowed in _TOGETHER)
    if is_mixed or _SECOND_DOT.search(label):
        return True
    foreign = [letter for letter in letters if not letter.isascii()]
    return bool(foreign) and all(letter in _LIKE_LATIN for letter in foreign)


def _has_script(char: str) -> bool:
    """Return True for letters, and the digits and signs of one script. Accents may stand on letters of any."""
    kind = unicodedata.category(char)[0]
    is_sign = kind == "M" and not unicodedata.name(char, "").startswith("COMBINING")
    return kind == "L" or is_sign or (kind == "N" and not char.isascii())


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "UNKNOWN").partition(" ")[0]
    return _OTHER_NAMES.get(first, first)


# RFC 1035 allows 253 characters in a name. The longest name that we create below a domain is a DKIM record:
# a token of 32 characters and "._domainkey." (Amazon's "_amazonses." is shorter).
LONGEST_NAME = 253
LONGEST_DOMAIN = LONGEST_NAME - len("." * 32 + "._domainkey.")
LONGEST_LABEL = 63

# RFC 6761, 2606, 7686, 8375, 9476, ICANN's "internal", and endings that will never be delegated.
# example.com, .net and .org are left out: they exist in DNS, and demonstrations use them.
RESERVED_ENDINGS = frozenset(
    word
    for line in (
        "alt arpa corp example home internal intranet invalid lan local",
        "localdomain localhost mail onion private test",
    )
    for word in line.split()
)

_DOTS = str.maketrans("。．｡․＠﹫", "....@@")
_SCHEME = re.compile(r"(?:mailto:|(?:[a-z][a-z0-9+.-]*:)?//)", re.IGNORECASE)
_PLAIN_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_JOINERS = "\u200c\u200d"
_WRAPPING = " \"'`<>()“”‘’„«»,;"


@dataclass(frozen=True)
class DomainName:
    """`ascii` is the DNS form (A-labels, lower case, no trailing dot). `zone` is the registrable domain that contains
    it.
    """

    ascii: str
    unicode: str
    zone: str

    def __str__(self) -> str:
        """Return the readable form. The DNS form follows in parentheses if the name is a look-alike."""
        return _with_dns_form(self.unicode, self.ascii)

    @classmethod
    def from_stored(cls, name: str) -> "DomainName":
        """Return a name that was parsed before. It is never refused, since the public suffix list changes over time."""
        return cls(ascii=name, unicode=readable(name), zone=_suffixes().privatesuffix(name) or name)

    def relative(self, name: str) -> str:
        return relative_name(name, self.zone)

    @property
    def parents(self) -> tuple[str, ...]:
        """Return the names above this one, nearest first, ending with the zone. Empty at the zone itself."""
        above = self.ascii.removesuffix(self.zone).split(".")[1:]
        labels = [label for label in above if label]
        return tuple(".".join([*labels[at:], self.zone]) for at in range(len(labels) + 1)) if above else ()


@dataclass(frozen=True)
class ParsedDomain:
    """`noticed` has one sentence for each difference between the text that was entered and the parsed name."""

    domain: DomainName
    noticed: tuple[str, ...]


def is_within(name: str, zone: str) -> bool:
    """Return True for the zone itself and for every name below it."""
    return name == zone or name.endswith(f".{zone}")


def relative_name(name: str, zone: str) -> str:
    """Return an absolute name relative to the zone, "@" at the apex. Raises ValueError for a name outside the zone."""
    if not is_within(name, zone):
        raise ValueError(f"{name} is not in the zone {zone}")
    return "@" if name == zone else name.removesuffix(f".{zone}")


def is_label(text: str) -> bool:
    """Return True for a valid host name label (RFC 1123): lower case, at most 63 characters."""
    return len(text) <= LONGEST_LABEL and _PLAIN_LABEL.fullmatch(text) is not None


def parse_domain(text: str, *, existing: bool = False) -> ParsedDomain:
    """Parse a domain from a pasted address, URL or name. Raises Refused with a code for each cause (see `_refuse`
    below).

    `existing`: the name is already in use at SES, so it is accepted even if IDNA 2008 refuses it.
    """
    if len(text) > 2000:
        _refuse("TOO_LONG", "That text is too long to be a domain name. Enter only the domain, such as example.com.")
    host, noticed = _unwrap(text)
    name = _to_dns_form(host, existing=existing)
    _refuse_unverifiable(name)
    domain = DomainName.from_stored(name)
    return ParsedDomain(domain, (*_explain(noticed, domain), *_notes_on_name(host, domain)))


def parse_existing_domain(text: str) -> str:
    """Return the DNS form of a domain that is already in use, parsed by `parse_domain`. Raises Refused."""
    return parse_domain(text, existing=True).domain.ascii


def _unwrap(text: str) -> tuple[str, list[str]]:
    """Return the host in the pasted text, and a sentence template for each part that was removed."""
    noticed: list[str] = []
    typed = text.strip()
    visible = _without_invisible(typed)
    if visible != typed:
        noticed.append("We removed invisible characters.")
    unlisted = without_list_mark(visible)
    if unlisted != visible:
        noticed.append("We removed the list number or bullet.")
    hyphenated = with_hyphens(unlisted)
    if hyphenated != unlisted:
        noticed.append("We replaced a dash with a hyphen: {name}.")
    single_spaced = " ".join(hyphenated.translate(_DOTS).split()).strip(_WRAPPING)
    bare = re.sub(r"\s*([.@])\s*", r"\1", single_spaced)
    if bare != single_spaced:
        noticed.append("We removed the spaces: {name}.")
    host = _inside_address(bare, noticed)
    _refuse_several(host)
    _refuse_ip(host)
    return _without_port_and_dots(host, noticed), noticed


def _inside_address(text: str, noticed: list[str]) -> str:
    """Return the host of a URL or email address. The sentences never repeat a user name or password."""
    scheme = _SCHEME.search(text)
    if scheme and scheme.start() == 0:
        text = text[scheme.end() :]
    host = re.split(r"[/?#\\]", text, maxsplit=1)[0]
    if host.count("@") > 1 and re.search("[,;]", host):
        _refuse("NOT_A_DOMAIN", "Enter one domain at a time, without spaces.")
    if "@" in host:
        host = host.rpartition("@")[2].strip(_WRAPPING)
        noticed.append("You entered an email address. Its domain is {name}.")
    elif scheme or host != text:
        noticed.append("You entered a URL. Its domain is {name}.")
    return host.strip()


def _without_port_and_dots(host: str, noticed: list[str]) -> str:
    without_port = re.sub(r":[0-9]{1,5}$", "", host)
    if without_port != host:
        noticed.append("We removed the port number.")
    without_dot = without_port[:-1] if without_port.endswith(".") else without_port
    if without_dot != without_port:
        noticed.append("We removed the dot at the end.")
    without_star = re.sub(r"^(\*\.)+", "", without_dot)
    if without_star != without_dot:
        noticed.append("We removed the asterisk. {name} covers its subdomains for sending.")
    plain = without_star.removeprefix(".")
    if plain != without_star:
        noticed.append("We removed the dot at the start.")
    return plain


def _without_invisible(text: str) -> str:
    """Remove format characters, except joiners where their script needs them (RFC 5892, appendix A.1 and A.2)."""
    kept = []
    for at, char in enumerate(text):
        if char in _JOINERS and _joiner_is_needed(text, at):
            kept.append(char)
        elif unicodedata.category(char) == "Cc" and char.isspace():
            kept.append(" ")
        elif unicodedata.category(char) not in ("Cf", "Cc"):
            kept.append(char)
    return "".join(kept)


def _joiner_is_needed(text: str, at: int) -> bool:
    try:
        return idna.valid_contextj(text, at)
    except ValueError:
        return False


def _to_dns_form(host: str, *, existing: bool) -> str:
    """Return A-labels in lower case, by UTS 46 and IDNA 2008."""
    try:
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False).translate(_DOTS)
    except UnicodeError:
        _refuse_letters(host)
    if "_" in mapped:
        _refuse("UNDERSCORE", "An email domain can't contain an underscore (_). Add the domain without that part.")
    labels = [_label(label, existing=existing) for label in mapped.split(".")]
    if len(labels) > 1 and _NUMBER.fullmatch(labels[-1]):
        _refuse("IP_ADDRESS", "That's an IP address. Enter a domain name, such as example.com.")
    return ".".join(labels)


def _label(label: str, *, existing: bool) -> str:
    if not label:
        _refuse(
            "NOT_A_DOMAIN",
            "That isn't a domain name: a part between the dots is empty. Enter something like example.com.",
        )
    if len(label) > LONGEST_LABEL:
        _refuse("TOO_LONG", f"A part of that name is longer than {LONGEST_LABEL} characters, which DNS doesn't allow.")
    if label.isascii() and not label.startswith("xn--"):
        return label if _PLAIN_LABEL.fullmatch(label) else _refuse_letters(label)
    try:
        encoded = idna.alabel(label).decode("ascii").lower()
        idna.check_bidi(idna.ulabel(encoded))
    except idna.IDNAError as problem:
        if "too long" in str(problem).lower():
            _refuse("TOO_LONG", f"A part of that name needs more than {LONGEST_LABEL} characters in DNS.")
        return _handle_idna_error(label, existing=existing)
    return encoded


def _handle_idna_error(label: str, *, existing: bool) -> str:
    """Handle emoji and older forms: registries sold such names, so a name that is already in use can be imported."""
    encoded = label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"
    if not is_label(encoded) or not any(_is_symbol(char) for char in _decoded(encoded)):
        _refuse_letters(label)
    if not existing:
        _refuse(
            "NOT_A_DOMAIN",
            f"“{_printable(label)}” has a character that isn't allowed in international names (IDNA 2008). "
            "Our team can import a domain that is already in use at SES.",
        )
    return encoded


def _decoded(label: str) -> str:
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return ""


def _is_symbol(char: str) -> bool:
    """Return True for characters that IDNA 2003 may have allowed, so never for control, format or unassigned ones."""
    return not char.isascii() and unicodedata.category(char)[0] in "LMNSP"


def _refuse_unverifiable(name: str) -> None:
    ending = name.rpartition(".")[2]
    if ending in RESERVED_ENDINGS:
        _refuse("RESERVED_NAME", f"Names that end in .{ending} are reserved and don't exist on the public internet.")
    if _suffixes().is_public(name, accept_unknown=False):
        _refuse(
            "PUBLIC_SUFFIX",
            f"{readable(name)} is shared by many owners. Add a domain below it, such as example.{readable(name)}.",
        )
    if "." not in name:
        _refuse("SINGLE_LABEL", f"“{readable(name)}” isn't a full domain. Enter something like example.com.")
    if len(name) > LONGEST_DOMAIN:
        _refuse(
            "TOO_LONG",
            f"That name has {len(name)} characters. Amazon SES records allow at most {LONGEST_DOMAIN}.",
        )


def _refuse_several(host: str) -> None:
    if not host.strip("."):
        _refuse("NOT_A_DOMAIN", "That isn't a domain name. Enter something like example.com.")
    if re.search(r"[\s,;]", host):
        _refuse("NOT_A_DOMAIN", "Enter one domain at a time, without spaces.")


def _refuse_ip(host: str) -> None:
    try:
        ipaddress.ip_address(re.sub(r"(?i)^\[(?:ipv6:)?|\](?::[0-9]+)?$", "", host))
    except ValueError:
        return
    _refuse("IP_ADDRESS", "That's an IP address. Enter a domain name, such as example.com.")


def _refuse_letters(part: str) -> NoReturn:
    _refuse(
        "NOT_A_DOMAIN",
        f"“{_printable(part)}” isn't valid in a domain name. Use letters, digits, and hyphens between them.",
    )


def _printable(part: str) -> str:
    return part[:LONGEST_LABEL].encode("utf-8", "replace").decode("utf-8")


def _refuse(code: str, sentence: str) -> NoReturn:
    """Codes: NOT_A_DOMAIN, IP_ADDRESS, PUBLIC_SUFFIX, RESERVED_NAME, TOO_LONG, UNDERSCORE, SINGLE_LABEL."""
    raise Refused(sentence, code=code)


def _explain(noticed: list[str], domain: DomainName) -> tuple[str, ...]:
    return tuple(sentence.format(name=domain.unicode) for sentence in noticed)


def _notes_on_name(host: str, domain: DomainName) -> tuple[str, ...]:
    """Return sentences about the name itself: its DNS form, a www name, an unknown ending."""
    remarks = []
    if not host.isascii():
        remarks.append(f"In DNS, the name is {domain.ascii}.")
    if domain.ascii == "www." + domain.zone:
        remarks.append(f"Mail is rarely sent from a www name. If you meant {readable(domain.zone)}, add that instead.")
    if _suffixes().publicsuffix(domain.ascii, accept_unknown=False) is None:
        ending = domain.unicode.rpartition(".")[2]
        remarks.append(f"We don't know the ending .{ending}. Check the spelling.")
    return tuple(remarks)


def readable(name: str) -> str:
    """Return the Unicode form, label by label: one that is invalid in IDNA 2008 leaves the others readable."""
    return ".".join(map(_readable_label, name.split("."))) if "xn--" in name else name


def shown_name(name: str) -> str:
    """As `str()` of the stored name's `DomainName`, without its zone, which takes longer to find."""
    return _with_dns_form(readable(name), name)


def _with_dns_form(shown: str, name: str) -> str:
    return f"{shown} ({name})" if is_look_alike(shown) else shown


def _readable_label(label: str) -> str:
    try:
        return idna.ulabel(label) if label.startswith("xn--") else label
    except idna.IDNAError:
        return label


@cache
def _suffixes() -> PublicSuffixList:
    """Private suffixes (github.io, uk.com) count: their customers hold the name below, so the zone is that name too."""
    return PublicSuffixList()


def parse_mail_from_label(text: str, domain: str) -> str:
    """Return the label of a MAIL FROM domain that was entered in full or as the label alone."""
    name = unicodedata.normalize("NFC", text).strip().rstrip(".").lower()
    return name.removesuffix(f".{domain}").removesuffix(f".{readable(domain)}")
