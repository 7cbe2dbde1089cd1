"""Answers a poll without changes with 204, so nothing is sent and nothing is swapped.

The browser (static/js/live.js) sends with each poll the digest of the part that it shows.
"""

import re
from collections.abc import Callable
from hashlib import sha256

from django.http import HttpRequest, HttpResponse, HttpResponseBase

Handler = Callable[[HttpRequest], HttpResponseBase]
HEADER = "X-Shown"
# Differences between renderings of the same content: the masked CSRF token, and relative times, which the page updates
# itself.
_VOLATILE = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"|(?<=>)[^<]*(?=</time>)')


def unchanged_is_empty(get_response: Handler) -> Handler:
    """Middleware, inside compression."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        shown = request.headers.get(HEADER)
        if shown is None or request.method != "GET" or response.status_code != 200:  # OK
            return response
        return _answer(shown, response) if isinstance(response, HttpResponse) else response

    return middleware


def _answer(shown: str, response: HttpResponse) -> HttpResponse:
    digest = sha256(_VOLATILE.sub(b"", response.content)).hexdigest()
    if shown != digest or any(name.lower().startswith("hx-") for name in response.headers):
        response.headers[HEADER] = digest
        return response
    empty = HttpResponse(status=204)
    empty.cookies = response.cookies
    empty.headers[HEADER] = digest
    return empty
