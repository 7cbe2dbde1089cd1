"""Template context of every page: navigation, region and user."""

from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString

from accounts.people.selectors import lacks_second_factor, supports_everyone
from notifications.alerts.selectors import unacknowledged_count
from receipt_rules.live.selectors import domains_in_outage, receiving_outage
from tenants.lifecycle.selectors import banners_for, sees_tenants

OVERVIEW = "operations:overview"  # its path is a prefix of the others
# Each entry: title, page, icon, and the key after `g`.
Entry = tuple[str, str, str, str]
WORK: tuple[Entry, ...] = (
    ("Overview", OVERVIEW, "home", "o"),
    ("Domains", "domains:list", "globe-alt", "d"),
    ("Inbound mail", "receipt_rules:home", "inbox-arrow-down", "r"),
)
CHANGES: Entry = ("Change log", "operations:changes", "clock", "h")
OWN: tuple[Entry, ...] = (
    ("Organisation", "customers:list", "building-office-2", "c"),
    ("Activity", "operations:changes", "clock", "h"),
)
CUSTOMERS: Entry = ("Customers", "customers:list", "building-office-2", "c")
TENANTS: tuple[Entry, ...] = (
    ("Tenants", "tenants:list", "shield-check", "t"),
    ("Migrations", "operations:migrations", "arrow-right-circle", "m"),
)
DRIFT: Entry = ("Drift", "operations:differences", "arrows-right-left", "f")


def site(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    support = user is not None and supports_everyone(user)
    tenants = user is not None and sees_tenants(user)
    staff_admin = bool(user and user.is_staff)
    navigation = _navigation(request, support=support, tenants=tenants)
    return {
        "site_name": settings.SITE_NAME,
        "second_factor_due": SimpleLazyObject(lambda: user is not None and lacks_second_factor(user)),
        "region": settings.AWS_REGION,
        "sandbox": settings.SANDBOX,
        "is_open_for_signup": settings.OPEN_SIGN_UP,
        "account_theme": getattr(user, "theme", "system"),
        "is_support": support,
        "staff_admin": staff_admin,
        "alerts_unanswered": SimpleLazyObject(lambda: unacknowledged_count(user) if user else 0),
        "navigation": navigation,
        "menu": SimpleLazyObject(lambda: _menu(request, navigation, staff_admin=staff_admin)),  # a page uses it twice
        "receiving_outage": SimpleLazyObject(lambda: receiving_outage() if user and user.is_authenticated else None),
        "domains_in_outage": SimpleLazyObject(
            lambda: domains_in_outage(user) if user and user.is_authenticated else frozenset()
        ),
        "banners": SimpleLazyObject(lambda: banners_for(user) if user else ()),
    }


class _Link(NamedTuple):
    title: str
    url: str
    icon: str
    key: str
    current: bool


class _Group(NamedTuple):
    title: str
    entries: tuple[_Link, ...]


def _navigation(request: HttpRequest, *, support: bool, tenants: bool) -> tuple[_Group, ...]:
    """Return groups of entries. Customers get one group."""
    groups: list[tuple[str, tuple[Entry, ...]]] = [("", WORK if support else (*WORK, *OWN))]
    if support:
        groups.append(("Customers", (CUSTOMERS, *TENANTS) if tenants else (CUSTOMERS,)))
        groups.append(("Monitoring", (CHANGES, DRIFT) if tenants else (CHANGES,)))
    return tuple(_Group(title, tuple(_link(request, *each) for each in entries)) for title, entries in groups)


def _link(request: HttpRequest, title: str, name: str, icon: str, key: str) -> _Link:
    url = reverse(name)
    is_account = request.path.startswith(reverse("accounts:account"))  # the person's own, below the organisations' URL
    here = request.path == url if name == OVERVIEW else request.path.startswith(url) and not is_account
    return _Link(title, url, icon, key, here)


def _menu(request: HttpRequest, navigation: tuple[_Group, ...], *, staff_admin: bool) -> SafeString:
    """Render the navigation, once for each set of what it shows; for each request in debug mode."""
    page = request.resolver_match.view_name if request.resolver_match else ""
    drawn = _drawn_menu.__wrapped__ if settings.DEBUG else _drawn_menu
    return drawn(navigation, page if page.startswith("sandbox:") else "", settings.SANDBOX, staff_admin)


@lru_cache(maxsize=256)
def _drawn_menu(navigation: tuple[_Group, ...], page: str, sandbox: bool, staff_admin: bool) -> SafeString:
    shown = {"navigation": navigation, "page": page, "sandbox": sandbox, "staff_admin": staff_admin}
    return render_to_string("navigation.html", shown)
