"""Headers of every response, and JSON for every response below /api/."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

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
