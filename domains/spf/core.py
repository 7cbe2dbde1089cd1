"""Parses SPF records (RFC 7208) far enough to detect or add SES's include, and merges several records into one. Pure.

`nested_lookups` counts DNS lookups, including those inside includes (RFC 7208 4.6.4).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

AMAZON = "amazonses.com"
FRESH = f"v=spf1 include:{AMAZON} ~all"
MOST_LOOKUPS = 10  # RFC 7208 4.6.4

_VERSION = "v=spf1"
_LOOKING_UP = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})


@dataclass(frozen=True)
class Term:
    """One term as written; `name` is lower case without qualifier, `argument` follows its ":", "=" or "/"."""

    text: str
    qualifier: str
    name: str
    argument: str
    is_modifier: bool

    @property
    def is_all(self) -> bool:
        return self.name == "all" and not self.is_modifier

    @property
    def looks_up(self) -> bool:
        """Whether it costs one of the ten DNS look-ups that RFC 7208 4.6.4 allows."""
        return self.name in _LOOKING_UP and self.is_modifier == (self.name == "redirect")

    def includes(self, domain: str) -> bool:
        wanted = (False, "+", "include", domain)
        return (self.is_modifier, self.qualifier, self.name, self.argument.lower().rstrip(".")) == wanted


@dataclass(frozen=True)
class Spf:
    """The terms after "v=spf1", in order."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " ".join((_VERSION, *(term.text for term in self.terms)))

    @property
    def lookups(self) -> int:
        """Look-ups that this record itself asks for; those inside of its includes come on top of that."""
        return sum(term.looks_up for term in self.reached)

    @property
    def reached(self) -> tuple[Term, ...]:
        """The terms that can have an effect: what follows "all" is never tried, and "all" disables a redirect (5.1)."""
        for at, term in enumerate(self.terms):
            if term.is_all:
                return tuple(
                    before for before in self.terms[: at + 1] if not (before.is_modifier and before.name == "redirect")
                )
        return self.terms

    @property
    def has_unknown(self) -> bool:
        """Whether a mechanism is none: receivers then take the whole record for an error (RFC 7208 4.6)."""
        return any(not term.is_modifier and term.name not in _MECHANISMS for term in self.terms)

    @property
    def is_open(self) -> bool:
        """Whether it lets the whole world send ("+all")."""
        return any(term.is_all and term.qualifier == "+" for term in self.reached)


@dataclass(frozen=True)
class Merged:
    """The one line to publish; `lookups` counts what the line itself asks for, at most 10 are allowed."""

    value: str
    lookups: int

    @property
    def too_many(self) -> bool:
        return self.lookups > MOST_LOOKUPS


def is_spf(text: str) -> bool:
    """RFC 7208 4.5: the version is followed by a space or by nothing."""
    return text[: len(_VERSION)].lower() == _VERSION and text[len(_VERSION) :][:1] in ("", " ")


def spf_among(values: Iterable[str]) -> tuple[str, ...]:
    """The SPF records among a name's TXT values; more than one makes all of them invalid (RFC 7208 4.5)."""
    return tuple(value for value in values if is_spf(value))


def read(text: str) -> Spf:
    """Take a record apart. ValueError where it is not SPF; a term that we do not know is kept as it is."""
    if not is_spf(text):
        raise ValueError("not an SPF record")
    return Spf(tuple(_term(word) for word in text[len(_VERSION) :].split(" ") if word))


def allows(text: str, domain: str = AMAZON) -> bool:
    """Whether the record includes the domain where the include can take effect (before "all")."""
    return any(term.includes(domain) for term in read(text).reached)


def merge(existing: str, domain: str = AMAZON) -> Merged:
    """The existing record ("" for none) with the include added before "all" or "redirect=", all else kept."""
    if not existing:
        return Merged(FRESH, 1) if domain == AMAZON else Merged(f"v=spf1 include:{domain} ~all", 1)
    spf = read(existing)
    if not any(term.includes(domain) for term in spf.reached):
        kept = [term for term in spf.terms if not term.includes(domain)]
        at = _end_of_senders(kept)
        spf = Spf((*kept[:at], _term(f"include:{domain}"), *kept[at:]))
    return Merged(str(spf), spf.lookups)


def _end_of_senders(terms: list[Term]) -> int:
    """Before the first "all", or else before the redirect, or else the end."""
    alls = [at for at, term in enumerate(terms) if term.is_all]
    redirects = [at for at, term in enumerate(terms) if term.is_modifier and term.name == "redirect"]
    return min(alls or redirects, default=len(terms))


def _term(word: str) -> Term:
    """RFC 7208 4.6.1: a modifier has "=" straight after its name, a mechanism ":" or "/" or nothing."""
    ends = [at for at in (word.find(sign) for sign in ":/=") if at >= 0]
    at = min(ends, default=len(word))
    is_modifier = word[at : at + 1] == "="
    head = word[:at]
    qualifier = head[0] if head[:1] in ("+", "-", "~", "?") and not is_modifier else ""
    return Term(word, qualifier or "+", head.removeprefix(qualifier).lower(), word[at + 1 :], is_modifier)


_DEEPEST = 10  # an include that includes itself ends here


@dataclass(frozen=True)
class LookupCount:
    """`by_term` has what each term of the line costs, those inside of it counted."""

    total: int
    by_term: tuple[tuple[str, int], ...]


def merged(lines: tuple[str, ...]) -> Merged:
    """All senders of all lines once, in order, then Amazon, and the mildest "all": nobody is shut out."""
    terms = [term for line in lines for term in read(line).reached]
    senders = dict.fromkeys(term.text for term in terms if not term.is_all and not term.is_modifier)
    alls = sorted((term.qualifier for term in terms if term.is_all and term.qualifier != "+"), key="?~-".index)
    ending = f"{alls[0] if alls else '~'}all"
    return merge(" ".join(["v=spf1", *senders, ending]))


def nested_lookups(line: str, texts: Mapping[str, str]) -> LookupCount:
    """`texts` are the SPF lines behind includes by name; one that is not known counts as one look-up."""
    terms = read(line).reached
    costs = tuple((term.text, _cost(term, texts, 0)) for term in terms if term.looks_up)
    return LookupCount(sum(cost for _, cost in costs), costs)


def includes(line: str) -> tuple[str, ...]:
    """The names whose SPF lines count towards this one's."""
    wanted = ("include", "redirect")
    return tuple(term.argument.lower().rstrip(".") for term in read(line).reached if term.name in wanted)


def _cost(term: Term, texts: Mapping[str, str], depth: int) -> int:
    inner = texts.get(term.argument.lower().rstrip("."), "") if term.name in ("include", "redirect") else ""
    if not is_spf(inner) or depth >= _DEEPEST:
        return 1
    return 1 + sum(_cost(each, texts, depth + 1) for each in read(inner).reached if each.looks_up)
