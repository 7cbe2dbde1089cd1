"""Reads an email address as people paste it: out of a mail program, a web page or a chat."""

import re
import unicodedata

_NAMED = re.compile(r"[^<>]*<([^<>]+)>\s*[,;.]?")  # a display name before it, as mail programs write addresses
_AROUND = " \t\"'“”‘’,;"
_SCHEME = re.compile(r"mailto:", re.IGNORECASE)


def plain_address(text: str) -> str:
    """The address in `Name <a@b>` and `mailto:a@b?subject=…`, without what cannot be seen; other text as it is."""
    seen = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc") or char.isspace()).strip()
    inside = _NAMED.fullmatch(seen)
    bare = (inside.group(1) if inside else seen).strip(_AROUND)
    scheme = _SCHEME.match(bare)
    return bare[scheme.end() :].partition("?")[0].strip() if scheme else bare
