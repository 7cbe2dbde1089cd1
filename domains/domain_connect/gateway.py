"""Calls a DNS host's Domain Connect API: two GETs, to a public address, limited in time and size."""

from dataclasses import dataclass

from inbound_admin.lib import public_http
from inbound_admin.lib.public_http import NoAnswer, Reach
from inbound_admin.lib.public_url import parse_url

SECONDS = 5.0
MOST_BYTES = 50_000
REDIRECTS = 2


@dataclass(frozen=True)
class ConnectAnswer:
    """`is_answered` is False if the request failed. `body` is set only for status 200."""

    is_answered: bool
    is_there: bool = False
    body: bytes = b""


UNANSWERED = ConnectAnswer(is_answered=False)


def ask(url: str, *, may_be_private: bool = False) -> ConnectAnswer:
    """Fetch a URL. 200 means that it exists, 404 and 410 that it does not. Anything else proves nothing."""
    reach = Reach(SECONDS, most_bytes=MOST_BYTES, redirects=REDIRECTS, may_be_private=may_be_private)
    try:
        response = public_http.get(parse_url(url, may_be_private=may_be_private), reach, headers=_HEADERS)
    except (NoAnswer, ValueError):
        return UNANSWERED
    if response.status in (404, 410):
        return ConnectAnswer(is_answered=True)
    if response.status != 200 or not response.is_whole:
        return UNANSWERED
    return ConnectAnswer(is_answered=True, is_there=True, body=response.body)


_HEADERS = {"Accept": "application/json"}
