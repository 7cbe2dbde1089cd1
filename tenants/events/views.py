"""The endpoint that SNS posts events to. It is public and has no form: only the signature counts."""

import structlog
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from inbound_admin.lib.errors import Problem
from tenants.events import services
from tenants.events.core import Untrusted

MOST_BYTES = 512 * 1024  # SNS's 256 KB, plus space for JSON escapes

log = structlog.get_logger(__name__)


@login_not_required
@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Answer in plain text, for a program. SNS retries after 503 and 429, and gives up after 403."""
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        return _said("The message is too large.", 413)
    try:
        effect = services.receive_message(body, now=timezone.now())
    except Untrusted as problem:
        log.warning("event refused", why=str(problem))
        return _said(str(problem), 403)
    except Problem as problem:
        log.error("event put off", why=str(problem))
        return _said("Try again later.", 429 if problem.status == 429 else 503)
    return _said(effect, 200)


def _said(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
