"""Parses email addresses as people paste them from a mail program, a web page or a chat."""

import re
import unicodedata

_NAMED = re.compile(r"[^<>]*<([^<>]+)>\s*[,;.]?")  # a display name before the address, as mail programs write it
_COMMENTED = re.compile(r"(\S+)\s*\([^()]*\)")  # the name after it, as older programs do
_AROUND = " \t\"'“”‘’,;()[]<>"
# Numbers in circles, full width or before East Asian marks, and as emoji. Lists have no space after them.
_ENCLOSED = r"[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3220-\u3229]|[0-9]\ufe0f?\u20e3"
_NUMBERED = re.compile(
    rf"\A\s*(?:(?:{_ENCLOSED})[.．)）、]?|[０-９]{{1,4}}[.．)）、:：]|[0-9]{{1,4}}[．）、：])\s*(?=\S)"
)
# "1. ", "(2) ", "3: ", "a) ", "iv. ", "- " at the start of a list item; a space must follow.
_LISTED = re.compile(
    r"\A\s*(?:[#(\[]?(?:\d{1,4}|[a-z]|[ivx]{1,4})(?:\.\)|[.)\]:]|\s+[-–—])|[-–—•*·▪‣➤→>])\s+(?=\S)", re.IGNORECASE
)
_SCHEME = re.compile(r"mailto:", re.IGNORECASE)


def without_list_mark(text: str) -> str:
    """Remove the number, letter or mark of a list item."""
    return _LISTED.sub("", _NUMBERED.sub("", text))


_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"))


_FULL_WIDTH = str.maketrans({0xFF01 + at: 0x21 + at for at in range(94)})  # as East Asian keyboards write ASCII


def with_hyphens(text: str) -> str:
    """Replace the dashes that word processors use for hyphens; neither domains nor SES addresses contain them."""
    return text.translate(_DASHES)


def plain_address(text: str) -> str:
    """Return the address in `Name <a@b>` and `mailto:a@b?subject=…`, without invisible characters. Else the text."""
    seen = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc") or char.isspace()).strip()
    line = with_hyphens(without_list_mark(seen)).translate(_FULL_WIDTH)
    inside = _NAMED.fullmatch(line) or _COMMENTED.fullmatch(line)
    is_inside = inside is not None and (inside.re is _NAMED or "@" in inside[1][1:-1])
    bare = (inside[1] if inside and is_inside else line).strip(_AROUND)
    scheme = _SCHEME.match(bare)
    return bare[scheme.end() :].partition("?")[0].strip() if scheme else bare
