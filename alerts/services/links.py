"""Where a person can look at what an event or an alert is about."""

from django.conf import settings
from django.urls import NoReverseMatch, reverse

_PAGES = {"domain": "domains:detail", "customer": "tenants:detail"}


def link_to(object_type: str, object_id: str) -> str:
    """Empty where the site's address is not set, or the thing has no page; then the inbox of alerts."""
    if not settings.SITE_URL:
        return ""
    return str(settings.SITE_URL).rstrip("/") + _path(object_type, object_id)


def _path(object_type: str, object_id: str) -> str:
    if name := _PAGES.get(object_type):
        try:
            return reverse(name, args=(object_id,))
        except NoReverseMatch:
            return reverse("alerts:inbox")
    return reverse("alerts:inbox")
