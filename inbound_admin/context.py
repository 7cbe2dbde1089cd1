"""What every page knows: where it is, for which region, who looks at it."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from alerts.selectors.inbox import number_unanswered
from tenants.selectors import sees_tenants, supports_everyone
from tenants.selectors.sending import banners_for

OVERVIEW = "operations:overview"  # whose address others begin with
NAVIGATION = (
    ("Overview", OVERVIEW, "home"),
    ("Domains", "domains:list", "globe-alt"),
    ("Inbound rules", "receipt_rules:home", "inbox-arrow-down"),
)
FOR_STAFF = (
    ("Tenants", "ses_tenants:list", "shield-check"),
    ("Migrations", "operations:migrations", "arrow-right-circle"),
    ("Drift", "operations:differences", "arrows-right-left"),
)
FOR_SUPPORT = ("Customers", "tenants:list", "building-office-2")
FOR_CUSTOMERS = ("Organisation", "tenants:list", "building-office-2")
LAST = (("Changes", "operations:changes", "clock"),)


def site(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    support = user is not None and supports_everyone(user)
    staff = FOR_STAFF if user is not None and sees_tenants(user) else ()
    customers = FOR_SUPPORT if support else FOR_CUSTOMERS
    return {
        "site_name": settings.SITE_NAME,
        "region": settings.AWS_REGION,
        "sandbox": settings.SANDBOX,
        "is_open_for_signup": settings.OPEN_SIGN_UP,
        "account_theme": getattr(user, "theme", "system"),
        "is_support": support,
        "staff_admin": bool(user and user.is_staff),
        "alerts_unanswered": SimpleLazyObject(lambda: number_unanswered(user) if user else 0),
        "navigation": [_entry(request, *entry) for entry in (*NAVIGATION, *staff, customers, *LAST)],
        "banners": SimpleLazyObject(lambda: banners_for(user) if user else ()),
    }


def _entry(request: HttpRequest, title: str, name: str, icon: str) -> dict[str, Any]:
    url = reverse(name)
    here = request.path == url if name == OVERVIEW else request.path.startswith(url)
    return {"title": title, "url": url, "icon": icon, "current": here}
