"""Parses SPF records strictly, by the grammar of RFC 7208 section 12. Pure.

Receivers reject the whole record for one invalid term (4.6), so each `RecordProblem` says where it is and why. Beyond
the grammar, a domain must be valid in DNS: `a:https://example.com` is not.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

AMAZON = "amazonses.com"

_VERSION = "v=spf1"
_LOOKING_UP = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
_RESEMBLING = re.compile(r"[\s\"'“”\\(]*(?:v\s*[=:]\s*)?spf\s*(?!2\.0/)[0-9v:]", re.IGNORECASE)  # spf2.0/ is Sender ID
_ANYWHERE = re.compile(r"\bv\s*=\s*spf1\b|\binclude\s*:\s*amazonses\.com\b", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """One term as written. `name` is lower case without qualifier. `argument` follows its ":", "=" or "/".

    `at` is its offset in the record.
    """

    text: str
    qualifier: str
    name: str
    argument: str
    is_modifier: bool
    sign: str = ""
    at: int = 0

    @property
    def is_all(self) -> bool:
        return self.name == "all" and not self.is_modifier

    @property
    def is_redirect(self) -> bool:
        return self.name == "redirect" and self.is_modifier

    @property
    def has_wrong_sign(self) -> bool:
        """Return True if "=" was written instead of ":": an unknown modifier, which receivers ignore (RFC 7208 6)."""
        return self.is_modifier and self.name in _MECHANISMS

    @property
    def needs_lookup(self) -> bool:
        """Return True if it costs one of the ten DNS lookups that RFC 7208 4.6.4 allows."""
        return self.name in _LOOKING_UP and self.is_modifier == (self.name == "redirect")

    @property
    def domain(self) -> str:
        """Lower case, without prefix length; "" if it has none, or if macros make it differ by message."""
        plain = self.argument.partition("/")[0] if self.sign != "/" else ""
        return "" if "%" in plain else plain.lower().rstrip(".")

    def includes(self, domain: str) -> bool:
        wanted = (False, "+", "include", domain)
        return (self.is_modifier, self.qualifier, self.name, self.argument.lower().rstrip(".")) == wanted


@dataclass(frozen=True)
class RecordProblem:
    """A syntax error in a TXT policy record: the characters from `start` up to `end`. `reason` is a sentence."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class Spf:
    """The terms after "v=spf1", in order. Receivers use the record only if it has no `problems`."""

    terms: tuple[Term, ...]
    problems: tuple[RecordProblem, ...] = ()

    def __str__(self) -> str:
        return " ".join((_VERSION, *(term.text for term in self.terms)))

    @property
    def lookups(self) -> int:
        """Return the number of lookups of the record itself, without those inside its includes."""
        return sum(term.needs_lookup for term in self.effective_terms)

    @property
    def ignored(self) -> tuple[Term, ...]:
        """Return the terms that were meant as senders and that receivers ignore: wrong sign, or out of reach."""
        out_of_reach = set(self.out_of_reach)
        return tuple(term for term in self.terms if term.has_wrong_sign or term in out_of_reach)

    @property
    def out_of_reach(self) -> tuple[Term, ...]:
        """Return the senders that "all" disables: mechanisms after it, and a redirect (RFC 7208 5.1, 6.1)."""
        reached = {each.text.lower() for each in self.effective_terms}
        senders = (term for term in self.terms if term.is_redirect or not (term.is_modifier or term.is_all))
        return tuple(term for term in senders if term.text.lower() not in reached)

    @property
    def effective_terms(self) -> tuple[Term, ...]:
        """Return the terms that can take effect: none after "all", and no redirect if there is an "all" (5.1)."""
        for at, term in enumerate(self.terms):
            if term.is_all:
                return tuple(before for before in self.terms[: at + 1] if not before.is_redirect)
        return self.terms

    @property
    def allows_anyone(self) -> bool:
        """Return True if anyone may send ("+all")."""
        return any(term.is_all and term.qualifier == "+" for term in self.effective_terms)


def is_spf(text: str) -> bool:
    """RFC 7208 4.5: the version is followed by a space or by nothing."""
    return text[: len(_VERSION)].lower() == _VERSION and text[len(_VERSION) :][:1] in ("", " ")


def resembles_spf(text: str) -> bool:
    """Return True if the text was meant as SPF although receivers skip it, for example for its version."""
    return not is_spf(text) and bool(_RESEMBLING.match(text) or _ANYWHERE.search(text))


def spf_records(values: Iterable[str]) -> tuple[str, ...]:
    """Return the SPF records among a name's TXT values. More than one makes all of them invalid (RFC 7208 4.5)."""
    return tuple(value for value in values if is_spf(value))


def parse(text: str) -> Spf:
    """Parse a record. Raises ValueError if it is not SPF. An invalid term is kept, with its problem."""
    return _parse_cached(text) if len(text) <= _ORDINARY else _parse(text)


def _parse(text: str) -> Spf:
    if not is_spf(text):
        raise ValueError("not an SPF record")
    words = re.finditer(r"[^ ]+", text[len(_VERSION) :])
    terms = tuple(parse_term(word[0], word.start() + len(_VERSION)) for word in words)
    broken = [(term, why) for term in terms if (why := problem_of(term))]
    broken += [(term, f"“{term.name}=” can appear only once.") for term in _duplicates(terms)]
    problems = (RecordProblem(term.at, term.at + len(term.text), why) for term, why in broken)
    return Spf(terms, tuple(sorted(problems, key=lambda problem: problem.start)))


_ORDINARY = 2000  # characters; longer lines are not cached
_parse_cached = lru_cache(maxsize=256)(_parse)  # a diagnosis parses the same few lines dozens of times


def problems_of(text: str) -> tuple[RecordProblem, ...]:
    """Return the syntax errors, also of a text that was only meant as SPF."""
    if is_spf(text):
        return parse(text).problems
    if lead := re.match(r"[\s\"'“”\\(]+", text):
        return (RecordProblem(0, lead.end(), "The record must start with “v=spf1”."),)
    end = text.find(" ") if " " in text else len(text)
    return (RecordProblem(0, end, "The record must start with “v=spf1” and a space."),)


def authorises(text: str, domain: str = AMAZON) -> bool:
    """Return True if the record includes the domain, or redirects to it, where that takes effect: before "all"."""
    reached = parse(text).effective_terms
    named = [term for term in reached if term.name == "include" and term.domain == domain]
    if named:
        return named[0].includes(domain)
    return any(term.is_redirect and term.domain == domain for term in reached)


def marked_problems(text: str, problems: Iterable[RecordProblem]) -> tuple[tuple[str, bool], ...]:
    """Return the record in pieces; True marks errors."""
    pieces, at = [], 0
    for problem in problems:
        pieces += [(text[at : problem.start], False), (text[max(at, problem.start) : problem.end], True)]
        at = max(at, problem.end)
    return tuple(piece for piece in (*pieces, (text[at:], False)) if piece[0])


def parse_term(word: str, at: int = 0) -> Term:
    """Parse a term. RFC 7208 4.6.1: a modifier has "=" right after its name, a mechanism ":" or "/" or nothing."""
    ends = [end for end in (word.find(sign) for sign in ":/=") if end >= 0]
    end = min(ends, default=len(word))
    sign = word[end : end + 1]
    is_modifier, head = sign == "=", word[:end]
    qualifier = head[0] if head[:1] in ("+", "-", "~", "?") and not is_modifier else ""
    name = head.removeprefix(qualifier).lower()
    return Term(word, qualifier or "+", name, word[end + 1 :], is_modifier, sign, at)


def _duplicates(terms: tuple[Term, ...]) -> list[Term]:
    """RFC 7208 section 6: these two at most once each."""
    each = ([term for term in terms if term.is_modifier and term.name == name] for name in ("redirect", "exp"))
    return [term for same in each for term in same[1:]]


def problem_of(term: Term) -> str:
    """Return why receivers reject the term, as a sentence; "" if it is correct."""
    if odd := re.search(r"[^\x21-\x7e]", term.text):
        return f"It contains a character that isn't allowed in SPF (U+{ord(odd[0]):04X})."
    if term.is_modifier:
        return _problem_of_modifier(term)
    if term.name not in _MECHANISMS:
        return _problem_of_name(term)
    if term.name == "all":
        return "“all” can't have a value. Add a space before the next term." if term.sign else ""
    if term.name in ("ip4", "ip6"):
        return _problem_of_network(term)
    return _problem_of_domain(term)


def _problem_of_name(term: Term) -> str:
    if not term.name:
        return "A mechanism name is missing here." if term.text.strip("+-~?") else "A qualifier has no mechanism."
    if "," in term.name or ";" in term.name:
        return "Separate terms with spaces, not commas or semicolons."
    return f"“{term.name}” isn't an SPF mechanism."


def _problem_of_modifier(term: Term) -> str:
    """RFC 7208 section 6: unknown modifiers are ignored, but they must match the grammar."""
    if not re.fullmatch(r"[a-z][a-z0-9_.-]*", term.name):
        return f"“{term.text.partition('=')[0]}” isn't a valid modifier name."
    if term.name in ("redirect", "exp"):
        return _problem_of_spec(term.argument, term.name)
    return _problem_of_macros(term.argument)


def _problem_of_network(term: Term) -> str:
    kind, most = ("IPv4", 32) if term.name == "ip4" else ("IPv6", 128)
    address, slash, length = term.argument.partition("/")
    if term.sign != ":" or not address:
        return f"“{term.name}:” needs an {kind} address after it."
    try:
        (ipaddress.IPv4Address if kind == "IPv4" else ipaddress.IPv6Address)(address.partition("%")[0])
    except ValueError:
        return _problem_of_address(term.name, kind, address)
    if "%" in address:
        return f"“{address}” is not an {kind} address."
    return _problem_of_length(length, most) if slash else ""


def _problem_of_address(name: str, kind: str, address: str) -> str:
    other = "ip6" if name == "ip4" else "ip4"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return f"“{address}” is not an {kind} address."
    return f"“{address}” is not an {kind} address. Write it after “{other}:”."


def _problem_of_length(text: str, most: int) -> str:
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", text, re.ASCII) or int(text) > most:
        return f"“/{text}” is not a prefix length from 0 to {most}."
    return ""


def _problem_of_domain(term: Term) -> str:
    """Check a domain after ":", and prefix lengths after "/" if the mechanism allows them."""
    with_lengths = term.name in ("a", "mx")
    needs_domain = term.name in ("include", "exists")
    domain, lengths = (term.argument, "") if term.sign == ":" else ("", term.sign + term.argument)
    without_lengths = term.argument.rstrip("/0123456789")
    if with_lengths and term.sign == ":" and (at := term.argument.find("/", len(without_lengths))) >= 0:
        domain, lengths = term.argument[:at], term.argument[at:]
    if lengths and not with_lengths:
        return f"“{term.name}” can't have a prefix length."
    if lengths and (why := _problem_of_lengths(lengths)):
        return why
    return _problem_of_spec(domain, term.name) if term.sign == ":" or needs_domain else ""


def _problem_of_lengths(text: str) -> str:
    """ "/24", "//64" or "/24//64"."""
    found = re.fullmatch(r"(?:/(?P<four>[^/]*))?(?://(?P<six>[^/]*))?", text)
    if found is None:
        return f"“{text}” is not a prefix length."
    four, six = found["four"], found["six"]
    return (_problem_of_length(four, 32) if four is not None else "") or (
        _problem_of_length(six, 128) if six is not None else ""
    )


_LETTERS = "slodiphv"  # "c", "r" and "t" are only for explanations (7.2)
_MACRO = re.compile(rf"%(?:[%_-]|\{{[{_LETTERS}][0-9]*r?[-.+,/_=]*\}})", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?", re.IGNORECASE)
_LAST_LABEL = re.compile(r"(?=[a-z0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
_LONGEST_LABEL, _LONGEST_NAME = 63, 253


def _problem_of_macros(text: str) -> str:
    left = _MACRO.sub("", text)
    return f"“{text}” contains a “%” that doesn't start a macro." if "%" in left else ""


def _problem_of_spec(text: str, name: str) -> str:
    """Check a domain-spec: macros and letters, then a top-level label or a macro at the end."""
    if not text:
        return f"“{name}” needs a domain after it."
    if why := _problem_of_macros(text):
        return why
    plain = _MACRO.sub("%", text)
    if re.search(r"[,;]", plain):
        return f"“{text}” is not a domain. Separate terms with spaces, not commas or semicolons."
    if re.search(r"(?i)[a-z0-9](include|redirect|ip4|ip6|exists)[:=]|[~+?-]all$", plain):
        return f"“{text}” contains two terms. Add a space before the second."
    if "%" not in plain and len(text.rstrip(".")) > _LONGEST_NAME:
        return "That domain is too long for DNS."
    return "" if _is_domain(plain) else f"“{text}” is not a domain."


def _is_domain(text: str) -> bool:
    """`text` has "%" for each macro, which can expand to anything."""
    labels = text.removesuffix(".").split(".")
    *others, last = labels
    if not all(map(_is_label, others)):
        return False
    if "%" in last:
        return last.endswith("%") and not text.endswith(".")
    return bool(others) and len(last) <= _LONGEST_LABEL and _LAST_LABEL.fullmatch(last) is not None


def _is_label(text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and ("%" in text or _LABEL.fullmatch(text) is not None)
