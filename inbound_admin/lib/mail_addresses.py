"""Reads an email address as people paste it: out of a mail program, a web page or a chat."""

import re
import unicodedata

_NAMED = re.compile(r"[^<>]*<([^<>]+)>\s*[,;.]?")  # a display name before it, as mail programs write addresses
_COMMENTED = re.compile(r"(\S+@\S+)\s*\([^()]*\)")  # the name behind it, as older programs do
_AROUND = " \t\"'“”‘’,;()[]<>"
# "1. ", "(2) ", "3: ", "a) ", "iv. ", "- " in front of one line of a list; a space must follow it.
_LISTED = re.compile(
    r"\A\s*(?:[#(\[]?(?:\d{1,4}|[a-z]|[ivx]{1,4})(?:\.\)|[.)\]:]|\s+[-–—])|[-–—•*·▪‣➤→>])\s+(?=\S)", re.IGNORECASE
)
_SCHEME = re.compile(r"mailto:", re.IGNORECASE)


def without_list_mark(text: str) -> str:
    """The number, letter or mark of a list is no part of what stands in its line."""
    return _LISTED.sub("", text)


def plain_address(text: str) -> str:
    """The address in `Name <a@b>` and `mailto:a@b?subject=…`, without what cannot be seen; other text as it is."""
    seen = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc") or char.isspace()).strip()
    line = without_list_mark(seen)
    inside = _NAMED.fullmatch(line) or _COMMENTED.fullmatch(line)
    bare = (inside.group(1) if inside else line).strip(_AROUND)
    scheme = _SCHEME.match(bare)
    return bare[scheme.end() :].partition("?")[0].strip() if scheme else bare
