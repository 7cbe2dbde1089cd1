"""Recognises the common ways in which a published value differs from the expected one. Pure."""

import re

DIFFERS = "dns.value.differs"

_QUOTES = "\"'“”„‟‘’`\\"
_BOTH_BOXES = re.compile(
    r"[\s\"'“”]*_?amazonses(?:\.[^\s=:]+)?(?:\s*[=:]\s*|\s+(?:[0-9]+\s+)?(?:in\s+)?(?:txt\s+)?)|[\s\"'“”]*txt\s+",
    re.IGNORECASE,
)
_BEFORE_VALUE = re.compile(r"(?:\S+\s+)?(?:[0-9]+\s+)?(?:in\s+)?(?:cname|mx)\s+", re.IGNORECASE)
_KEY = re.compile(r"[\s\"'“”]*v\s*=\s*DKIM1", re.IGNORECASE)
_UNSEEN = re.compile(r"[\s\u00ad\u200b-\u200f\u2060\ufeff\ufffd]|\\[0-9]{3}")  # a host name shows a byte as "\226"


def difference(expected: str, found: str) -> str:
    """Return the code of the common mistake that explains the difference, or DIFFERS."""
    unquoted = found.strip().strip(_QUOTES).strip()
    causes = (
        (unquoted == expected and found.strip() != expected, "dns.value.quoted"),
        (found.lower() == expected.lower(), "dns.value.case"),
        (_UNSEEN.sub("", found) == _UNSEEN.sub("", expected), "dns.value.spaces"),
        (found.rstrip(".\\") == expected, "dns.value.dot"),
        (found.lower().startswith(expected.lower() + "."), "dns.value.zone_appended"),
        (found == f"amazonses:{expected}", "dns.value.prefixed"),
        (re.sub(r"^[0-9]+(?:\\032|\s)*", "", found) == expected, "dns.value.priority_inside"),
        (expected.startswith(found) and len(found) >= 0.6 * len(expected), "dns.value.cut"),
        (len(expected) > 8 and is_close(expected, found, 3), "dns.value.typo"),
    )
    return next((code for holds, code in causes if holds), DIFFERS)


def has_name_inside(expected: str, found: str) -> bool:
    """Return True if the value also contains the ownership record's name: "_amazonses=TOKEN"."""
    lead = _BOTH_BOXES.match(found)
    return lead is not None and found[lead.end() :].strip().strip(_QUOTES).strip() == expected


def is_in_other_type(expected: str, priority: int | None, found: tuple[str, ...]) -> bool:
    """Return True if records of another type have the value: with its priority, in quotes, or as a full line."""
    wanted, around = expected.lower(), f"{_QUOTES} "
    unquoted = [value.strip(around) for value in found]
    bare = (value[lead.end() :] if (lead := _BEFORE_VALUE.match(value)) else value for value in unquoted)
    plain = [value.strip(around).rstrip(".").lower() for value in bare]
    return bool(wanted) and (wanted in plain or f"{priority} {wanted}" in plain)


def is_pasted_key(found: tuple[str, ...]) -> bool:
    """Return True if a TXT value is a DKIM key as people enter one. The key behind SES's CNAME has only "p="."""
    return any(map(_KEY.match, found))


def is_close(one: str, other: str, most: int) -> bool:
    """Return True if the Levenshtein distance is at most `most`."""
    if abs(len(one) - len(other)) > most:
        return False
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        above, row[0] = row[0], at
        for beside, opposite in enumerate(other, start=1):
            above, row[beside] = row[beside], min(row[beside] + 1, row[beside - 1] + 1, above + (letter != opposite))
    return row[-1] <= most
