"""ETag and If-None-Match of successful reads: 304 without a body if the caller already has this content."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, set_response_etag


def with_etag(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return the response with its ETag, or 304 if the request's If-None-Match has it.

    The query still runs: the ETag is a digest of the content, so it is right whatever changed it.
    """
    if request.method != "GET" or response.status_code != HTTPStatus.OK:
        return response
    set_response_etag(response)
    return get_conditional_response(request, etag=response.headers["ETag"], response=response) or response
