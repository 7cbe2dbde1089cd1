"""The address of a page about one object, for lists: `url` would find the view's pattern again for each row."""

from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django import template
from django.urls import get_script_prefix, get_urlconf, reverse

register = template.Library()
_ID = "id-of-the-object"


@register.simple_tag
def url_of(view: str, pk: Any) -> str:
    """As `url` with one argument, which is an ID: one part of the path."""
    before, after = _around_id(view, get_urlconf(), get_script_prefix())
    return f"{before}{quote(str(pk), safe='')}{after}"


@lru_cache(maxsize=256)
def _around_id(view: str, urlconf: str | None, _prefix: str) -> tuple[str, str]:
    before, _, after = reverse(view, urlconf, args=[_ID]).partition(_ID)
    return before, after
