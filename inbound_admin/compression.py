"""Compresses pages, except those that show a secret.

The size of a compressed page can reveal a secret in it to an attacker who has it loaded many times with guesses in it
(BREACH). So pages that may not be stored (sign-in, admin, one-time secrets) are not compressed. Elsewhere the only
secret is the CSRF token, which Django masks differently in each page, and the middleware below adds random bytes.
Another site's page can't make an API call with a key in its header.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class Compressed(GZipMiddleware):
    """Runs outside the middleware that sets Cache-Control. Static files are compressed once, by collectstatic."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        has_secret = "no-store" in response.headers.get("Cache-Control", "") and "Authorization" not in request.headers
        if has_secret or request.path.startswith(settings.STATIC_URL):
            return response
        return super().process_response(request, response)
