"""Pages of tenants, and other pages that show their status."""

from playwright.sync_api import Page

from tests.browser import reputation
from tests.browser.showcase import overrides, tenants
from tests.browser.visits.visit import Visit, domain, fill, press


def _review_pause(page: Page) -> None:
    page.get_by_label("Reason").select_option("spam")
    fill("Staff note", "Forty reports since noon.", "Review pause", seen="#mail-title")(page)


def _choose_two(page: Page) -> None:
    for name in ("suspended", "paused-by-us"):
        page.get_by_label(f"Select {name}", exact=True).check()
    press("Pause…", seen="#rows-title")(page)


ACMES = "acme-and-daughters-booksellers-since-1871-4f9k2m7q"


TENANTS = (
    Visit("tenants:list", "adam", of=tenants.no_arguments),
    Visit("tenants:list", "olga"),
    Visit("tenants:list", "tess", query="?q=nothing-like-it&show=paused"),
    *(
        Visit("tenants:detail", "adam", of=tenants.tenant_named(name), note=name)
        for name in (ACMES, "suspended", "pausing")
    ),
    *(Visit("tenants:detail", "tess", of=tenants.tenant_named(name), note=name) for name in ("paused-by-us", "stuck")),
    *(Visit("tenants:detail", "sam", of=tenants.tenant_named(name), note=name) for name in ("creating", "unknown")),
    Visit("tenants:resources", "sam", of=tenants.tenant_named("paused-by-us")),
    Visit("tenants:resources", "sam", of=tenants.tenant_named("creating"), note="empty"),
    Visit("tenants:reputation", "tess", of=reputation.tenant_with_rates("paused-by-us")),
    Visit("tenants:reputation", "tess", of=reputation.tenant_with_rates("paused-by-us"), query="?days=30"),
    Visit("tenants:reputation", "sam", of=tenants.tenant_named("creating"), note="nothing read"),
    Visit("tenants:account", "olga", of=reputation.account),
    Visit("tenants:history", "sam", of=tenants.tenant_named("paused-by-us")),
    Visit("tenants:history", "sam", of=tenants.tenant_named("paused-by-us"), query="?show=statuses"),
    Visit("tenants:create", "olga"),
    Visit("tenants:create", "olga", act=press("Create tenant"), note="nothing chosen"),
    Visit("tenants:policy", "olga", of=tenants.tenant_named("paused-by-us")),
    Visit("tenants:keep", "tess", of=tenants.tenant_named("paused-by-us")),
    Visit("tenants:delete", "olga", of=tenants.tenant_named("suspended")),
    Visit("tenants:delete", "olga", of=tenants.tenant_named("paused-by-us"), note="not while it is paused"),
    Visit("operations:pause", "tess", of=tenants.tenant_named(ACMES)),
    Visit(
        "operations:pause", "tess", of=tenants.tenant_named(ACMES), act=press("Review pause"), note="without a reason"
    ),
    Visit("operations:pause", "tess", of=tenants.tenant_named(ACMES), act=_review_pause, note="looked at"),
    Visit("operations:resume", "tess", of=tenants.tenant_named("paused-by-us")),
    Visit("operations:resume", "tess", of=tenants.tenant_named("suspended"), note="suspended by Amazon"),
    Visit("operations:pause_many", "tess", note="none chosen"),
    Visit("tenants:list", "tess", act=_choose_two, note="two chosen"),
    Visit("operations:batch", "tess", of=tenants.batch),
    Visit("operations:start_bulk", query="?do=delete&names=acme.com+nobody-has-this.com"),
    Visit("operations:start_bulk", "adam", query="?do=transfer&names=acme.com+nobody-has-this.com"),
    Visit("domains:support", "adam", of=overrides.overridden_domain, note="overridden and exceptions"),
    Visit("domains:detail", "adam", of=overrides.overridden_domain, note="overridden and exceptions"),
    Visit("domains:list", "pia", note="while sending is paused"),
    Visit("domains:list", "susan", note="while Amazon suspends sending"),
    Visit("domains:sending", of=domain("verified")),
    Visit("domains:sending", "adam", of=domain("each")),
)
