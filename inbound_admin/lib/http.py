"""What views share: the request of somebody who is signed in, and pages of a long list."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

PER_PAGE = 50


class SignedIn(HttpRequest):
    """A request behind the sign-in, with what django-htmx adds."""

    user: Any
    htmx: HtmxDetails


def page_of(rows: QuerySet[Any], request: HttpRequest, per_page: int = PER_PAGE) -> "Page[Any]":
    """The page that `?page=` names; nonsense is the first, too far is the last."""
    return Paginator(rows, per_page).get_page(request.GET.get("page"))
