"""Middleware that changes responses: their headers, their size, and polls that have nothing new.

Compression: the size of a compressed page can reveal a secret in it to an attacker who has it loaded many times with
guesses in it (BREACH). So pages that may not be stored (sign-in, admin, one-time secrets) are not compressed. Elsewhere
the only secret is the CSRF token, which Django masks differently in each page, and Django's middleware adds random
bytes. Another site's page can't make an API call with a key in its header.

Polls: the browser (static/js/live.js) sends with each poll the digest of the part that it shows. Without changes it
gets a 204, so nothing is sent and nothing is swapped.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from inbound_admin.lib.api import answers

Handler = Callable[[HttpRequest], HttpResponseBase]

# Browser features that no page uses. Copying to the clipboard isn't among them.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "autoplay",
        "browsing-topics",
        "camera",
        "display-capture",
        "encrypted-media",
        "fullscreen",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "picture-in-picture",
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)
# They show passwords, second factors and recovery codes. Webhooks, keys and members mark their own pages.
_NEVER_STORED = ("/accounts/", "/admin/")


def response_headers(get_response: Handler) -> Handler:
    """Runs outside all middleware except `SecurityMiddleware`, so that their responses get the headers too."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path.startswith(answers.PREFIX) and isinstance(response, HttpResponse):
            response = _as_json(response)
        response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
        _set_cache_control(request.path, response)
        return response

    return middleware


def _set_cache_control(path: str, response: HttpResponseBase) -> None:
    """API responses are never cached, pages only in the reader's browser."""
    if path.startswith(answers.PREFIX):
        response.headers["Cache-Control"] = "no-store"
    elif path.startswith(_NEVER_STORED):
        response.headers["Cache-Control"] = "private, no-store"
    elif not path.startswith(settings.STATIC_URL):
        response.headers.setdefault("Cache-Control", "private, no-cache")


def _as_json(response: HttpResponse) -> HttpResponse:
    """Return an error of Django below /api/ in the format of the API."""
    status = response.status_code
    if status < HTTPStatus.BAD_REQUEST or response.headers.get("Content-Type", "").startswith("application/json"):
        return response
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return answers.method_not_allowed(response)
    known = HTTPStatus(status)
    return answers.error_answer(f"{known.description or known.phrase}.", known.name, status)


class Compressed(GZipMiddleware):
    """Runs outside the middleware that sets Cache-Control. Static files are compressed once, by collectstatic."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        has_secret = "no-store" in response.headers.get("Cache-Control", "") and "Authorization" not in request.headers
        if has_secret or request.path.startswith(settings.STATIC_URL):
            return response
        return super().process_response(request, response)


POLL_HEADER = "X-Shown"
# Differences between renderings of the same content: the masked CSRF token, and relative times, which the page updates
# itself.
_VOLATILE = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"|(?<=>)[^<]*(?=</time>)')


def unchanged_is_empty(get_response: Handler) -> Handler:
    """Middleware, inside compression."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        shown = request.headers.get(POLL_HEADER)
        if shown is None or request.method != "GET" or response.status_code != 200:  # OK
            return response
        return _answer(shown, response) if isinstance(response, HttpResponse) else response

    return middleware


def _answer(shown: str, response: HttpResponse) -> HttpResponse:
    digest = sha256(_VOLATILE.sub(b"", response.content)).hexdigest()
    if shown != digest or any(name.lower().startswith("hx-") for name in response.headers):
        response.headers[POLL_HEADER] = digest
        return response
    empty = HttpResponse(status=204)
    empty.cookies = response.cookies
    empty.headers[POLL_HEADER] = digest
    return empty
