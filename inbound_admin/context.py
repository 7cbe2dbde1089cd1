"""What every page knows: where it is, for which region, who looks at it."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from tenants.selectors import supports_everyone

NAVIGATION = (
    ("Domains", "domains:list", "globe-alt"),
    ("Inbound rules", "receipt_rules:home", "inbox-arrow-down"),
)
FOR_SUPPORT = ("Customers", "tenants:list", "building-office-2")
FOR_CUSTOMERS = ("Organisation", "tenants:list", "building-office-2")


def site(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    support = user is not None and supports_everyone(user)
    return {
        "site_name": settings.SITE_NAME,
        "region": settings.AWS_REGION,
        "sandbox": settings.SANDBOX,
        "is_open_for_signup": settings.OPEN_SIGN_UP,
        "account_theme": getattr(user, "theme", "system"),
        "is_support": support,
        "staff_admin": bool(user and user.is_staff),
        "navigation": [_entry(request, *entry) for entry in (*NAVIGATION, FOR_SUPPORT if support else FOR_CUSTOMERS)],
    }


def _entry(request: HttpRequest, title: str, name: str, icon: str) -> dict[str, Any]:
    url = reverse(name)
    return {"title": title, "url": url, "icon": icon, "current": request.path.startswith(url)}
