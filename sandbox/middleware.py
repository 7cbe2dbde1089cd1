"""While the demo's history is being made, pages can be read, and changes wait: no clock but the seed's is moved."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from inbound_admin.lib.api import answers
from inbound_admin.lib.errors import Problem
from inbound_admin.middleware import problem_page
from sandbox.demo_progress import ProgressFile

SAFE = ("GET", "HEAD", "OPTIONS")


class DemoBeingMade(Problem):
    """A change was asked for while the seed moves the clock."""

    code = "DEMO_BEING_MADE"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class HoldWrites:
    """Refuses what changes anything until the demo is complete, except to sign in and out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE or _is_sign_in(request):
            return self.get_response(request)
        progress = ProgressFile(settings.DEMO_PROGRESS).read()
        if progress is None or progress.is_lost:
            return self.get_response(request)
        problem = DemoBeingMade(
            f"The demo is still being made ({progress.percent}%). Nothing was changed. Try again in a few seconds."
        )
        is_api = request.path.startswith(answers.PREFIX)
        return answers.problem_response(problem) if is_api else problem_page(request, problem)


def _is_sign_in(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("account_login").removesuffix("login/"))
