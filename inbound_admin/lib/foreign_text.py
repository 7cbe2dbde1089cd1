"""Text that others wrote: answers of DNS, of servers and of AWS, and files. It is escaped where we receive it.

PostgreSQL refuses a text with NUL, our API one with control characters, and a terminal obeys some. DNS and HTTP allow
any byte, so whoever owns a zone or a server may send them.
"""

import re

_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # white space is kept: values are parsed


def without_nul(text: str) -> str:
    """Return what a person typed or uploaded, without NUL characters. Django's own form fields refuse them."""
    return text.replace("\x00", "")


def escaped(text: str) -> str:
    """Return the text with control characters as a zone file shows them: a NUL becomes the four characters \\000."""
    return _UNSTORABLE.sub(lambda found: f"\\{ord(found[0]):03d}", text)
