"""Pages are sent compressed, but for those that show a secret.

The size of a compressed page can tell an attacker a secret in it, if they can have it loaded many times with guesses of
their own in it (BREACH). So what may not be stored (sign-in, admin, one-time secrets) is sent as it is. Elsewhere the
only secret is the CSRF token, which Django masks anew in each page, and the middleware below adds random bytes. An API
call with a key in its header can't be made by somebody else's page.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class Compressed(GZipMiddleware):
    """Runs outside what sets Cache-Control. Static files are compressed once, when they are collected."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        has_secret = "no-store" in response.headers.get("Cache-Control", "") and "Authorization" not in request.headers
        if has_secret or request.path.startswith(settings.STATIC_URL):
            return response
        return super().process_response(request, response)
