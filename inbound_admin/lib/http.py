"""Shared by views: the signed-in request, pagination, downloads, redirects, secret pages and password prompts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import chain, islice
from typing import Any, Concatenate, ParamSpec, TypeVar

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django_htmx.middleware import HtmxDetails

from inbound_admin.lib.errors import Problem, Refused
from inbound_admin.lib.exports import ROWS_AT_ONCE, csv_parts, json_parts
from inbound_admin.lib.lists import ListPage

Given = ParamSpec("Given")
Request = TypeVar("Request", bound=HttpRequest)
View = TypeVar("View", bound=Callable[..., HttpResponse])

PER_PAGE = 50
_FORM_AROUND = 100_000  # bytes: names, boundaries and the other fields of a form with a file


class SignedIn(HttpRequest):
    """A request of a signed-in user, with django-htmx's attributes."""

    user: Any
    htmx: HtmxDetails


def secret_page(
    view: Callable[Concatenate[Request, Given], HttpResponse],
) -> Callable[Concatenate[Request, Given], HttpResponse]:
    """Keep the page's URL out of Referer headers, caches and search engines; `lib.logs` keeps it out of the logs.

    Not `no-referrer`: browsers then send `Origin: null` with a form, which Django's CSRF check refuses.
    """

    @wraps(view)
    def wrapper(request: Request, /, *args: Given.args, **kwargs: Given.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Referrer-Policy"] = "strict-origin"
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        add_never_cache_headers(response)
        return response

    return wrapper


def accepts_upload(limit: int) -> Callable[[View], View]:
    """Allow `limit` bytes of files, plus a form around them; other views have the setting's limit.

    `middleware.BoundedBody` refuses a longer body before it is read.
    """

    def decorate(view: View) -> View:
        view.body_limit = limit + _FORM_AROUND  # type: ignore[attr-defined]  # read by `body_limit_of` alone
        return view

    return decorate


def body_limit_of(view: Callable[..., Any]) -> int | None:
    limit: int | None = getattr(view, "body_limit", None)
    return limit


def requires_password(
    view: Callable[Concatenate[Request, Given], HttpResponse],
) -> Callable[Concatenate[Request, Given], HttpResponse]:
    """Require the password for a POST unless it was entered recently; then the action continues. A GET is free."""
    asked: Callable[Concatenate[Request, Given], HttpResponse] = reauthentication_required(view, allow_get=True)
    return asked


def require_password(request: HttpRequest) -> None:
    """Require it within a view, for one of several actions. The exception leads to the prompt and back."""
    raise_if_reauthentication_required(request, app="")


def site_url(request: HttpRequest) -> str:
    """Return the URL that links in emails begin with: the sender of a request chooses its Host, at least the port."""
    return str(settings.SITE_URL) or request.build_absolute_uri("/")


def redirect_page(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect the whole page, also for htmx, so no page is loaded inside a page."""
    if "HX-Request" in request.headers:
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def place_in_page(request: HttpRequest, response: HttpResponse, problem: Problem) -> HttpResponse:
    """For htmx, target the problem area of the page."""
    response.headers["X-Problem"] = problem.code
    if "HX-Request" in request.headers:
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#problem", "innerHTML"
    return response


def page_of(
    rows: QuerySet[Any], request: HttpRequest, per_page: int = PER_PAGE, *, total: int | None = None
) -> ListPage[Any]:
    """Return the page of `?page=`: the first if invalid, the last if too high. `total`: if it is counted already."""
    return ListPage(rows, request.GET.get("page", ""), per_page, total)


def list_as_file(
    rows: Iterable[Mapping[str, str]], *, name: str, kind: str, columns: Sequence[str] = ()
) -> HttpResponseBase:
    """Return a download called `name`. `kind`: "csv", or else JSON. Rows are streamed while they are read."""
    parts = csv_parts(rows, columns) if kind == "csv" else json_parts(rows)
    first = list(islice(parts, ROWS_AT_ONCE))
    is_whole = len(first) < ROWS_AT_ONCE
    answer = HttpResponse if is_whole else StreamingHttpResponse
    response: HttpResponseBase = answer("".join(first) if is_whole else chain(["".join(first)], _joined(parts)))
    response.headers["Content-Type"] = "text/csv; charset=utf-8" if kind == "csv" else "application/json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


def _joined(parts: Iterator[str]) -> Iterator[str]:
    while some := list(islice(parts, ROWS_AT_ONCE)):
        yield "".join(some)


def form_page(request: HttpRequest, page: str, context: dict[str, Any]) -> TemplateResponse:
    """Render a page with `context["form"]`; the status is 422 if the form has errors."""
    return TemplateResponse(request, page, context, status=422 if context["form"].errors else 200)


@contextmanager
def report_outcome(
    request: HttpRequest, sentence: str, *, refused: Callable[..., None] = messages.error
) -> Iterator[None]:
    """Show a message after the block: `sentence`, or why the action was refused."""
    try:
        yield
    except Refused as problem:
        refused(request, str(problem))
    else:
        messages.success(request, sentence)


def template(request: SignedIn, page: str, part: str) -> str:
    """Return the part for htmx, which puts it into the page; the page if htmx replaces all of it, also after Back."""
    needs_all = request.htmx.boosted or request.htmx.history_restore_request
    return f"{page}#{part}" if request.htmx and not needs_all else page
