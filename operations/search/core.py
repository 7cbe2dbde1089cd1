"""Parses the text of the search box, and lists the pages and actions that match it. Pure."""

import re
from dataclasses import dataclass

from inbound_admin.lib.foreign_text import without_nul

STAFF = "accounts.support_customer"
RULES = "receipt_rules.view_run"
ROUTES = "receipt_rules.route_mail"  # of staff: customers have these pages for their own mail
SHORTEST_WORD = 2
DKIM_TOKEN = re.compile(r"[a-z0-9]{32}")
LONGEST = 300


@dataclass(frozen=True)
class SearchQuery:
    """`text`: the search text. `identity`, `tenant`, `rule`: the object of an ARN, else ""."""

    text: str
    identity: str = ""
    tenant: str = ""
    rule: str = ""

    @property
    def is_arn(self) -> bool:
        return bool(self.identity or self.tenant or self.rule)

    @property
    def may_be_token(self) -> bool:
        return bool(DKIM_TOKEN.fullmatch(self.text.lower()))


def read_query(text: str) -> SearchQuery:
    """Parse, removing a scheme, a path, brackets, `mailto:`, and the record name around a DKIM token."""
    plain = " ".join(without_nul(text).split())[:LONGEST]
    if plain.startswith("arn:"):
        return _arn(plain)
    plain = re.sub(r"^(https?://|mailto:)", "", plain, flags=re.IGNORECASE).strip("<>")
    plain = plain.partition("/")[0].rstrip(".") if "@" not in plain else plain.partition("?")[0]
    label = plain.partition("._domainkey")[0] if "._domainkey" in plain else plain.partition(".dkim.")[0]
    return SearchQuery(label if DKIM_TOKEN.fullmatch(label.lower()) else plain)


def _arn(text: str) -> SearchQuery:
    """arn:partition:ses:region:account:kind/name. A tenant's ID follows its name; a rule's set precedes its name."""
    parts = text.split(":", 5)
    kind, _, name = parts[5].partition("/") if len(parts) > 5 else ("", "", "")
    if kind == "identity":
        return SearchQuery(text, identity=name.lower())
    if kind == "tenant":
        return SearchQuery(text, tenant=name.partition("/")[0])
    if kind == "receipt-rule-set" and ":receipt-rule/" in name:
        return SearchQuery(text, rule=name.partition(":receipt-rule/")[2])
    return SearchQuery(text)


@dataclass(frozen=True)
class SitePage:
    """A page or action without an object. `needs`: the permission that it requires."""

    title: str
    view: str
    words: str = ""
    needs: str = ""

    def matches(self, text: str) -> bool:
        """Return whether each typed word is the start of a word of the title or of `words`."""
        own = f"{self.title} {self.words}".lower().split()
        typed = text.lower().split()
        is_long_enough = bool(typed) and all(len(each) >= SHORTEST_WORD for each in typed)
        return is_long_enough and all(any(word.startswith(each) for word in own) for each in typed)


PAGES = (
    SitePage("Add domain", "domains:add", "new create"),
    SitePage("Add addresses", "receipt_rules:add_many", "new create mailbox paste", needs=ROUTES),
    SitePage("Add endpoint", "receipt_rules:add_endpoint", "new create webhook forward email group", needs=ROUTES),
    SitePage("Add webhook", "notifications:add_webhook", "new create event"),
    SitePage("Bulk actions", "operations:start_bulk", "batch check transfer hold release delete several domains"),
    SitePage("Create customer", "customers:create", "new add organisation", needs="accounts.add_customer"),
    SitePage("Create tenant", "tenants:create", "new add", needs="tenants.manage_tenant"),
    SitePage("Plan migration", "operations:plan_migration", "new tenant move", needs="tenants.manage_tenant"),
    SitePage("Overview", "operations:overview", "home dashboard capacity"),
    SitePage("Domains", "domains:list", "identities"),
    SitePage("Addresses", "receipt_rules:addresses", "mailboxes inbound"),
    SitePage("Endpoints", "receipt_rules:endpoints", "webhook email group destination forward"),
    SitePage("Received mail", "receipt_rules:received", "messages inbound"),
    SitePage("Test messages", "receipt_rules:probes", "probe send"),
    SitePage("Simulator", "receipt_rules:simulator", "simulate delivery"),
    SitePage("Alerts", "notifications:inbox", "problems"),
    SitePage("Notifications", "notifications:preferences", "email preferences quiet hours settings"),
    SitePage("Webhooks", "notifications:webhooks", "events deliveries"),
    SitePage("Change log", "operations:changes", "activity history audit changes"),
    SitePage("Account", "accounts:account", "profile theme appearance shortcuts settings"),
    SitePage("API keys", "accounts:keys", "token program"),
    SitePage("Diagnosis codes", "domains:codes", "error dns"),
    SitePage("Customers", "customers:list", "organisations", needs=STAFF),
    SitePage("Receipt rules", "receipt_rules:rules", "inbound rule set capacity", needs=RULES),
    SitePage("Receipt rule plan", "receipt_rules:plan", "approve changes inbound", needs=RULES),
    SitePage("Runs", "receipt_rules:runs", "inbound changes", needs=RULES),
    SitePage("Rollback", "receipt_rules:states", "restore rule set", needs=RULES),
    SitePage("Receiving setup", "receipt_rules:check", "bucket policy lambda permission", needs=RULES),
    SitePage("Pipeline", "receipt_rules:pipeline", "lost mail errors", needs=RULES),
    SitePage("Tenants", "tenants:list", "reputation pause resume", needs="tenants.view_tenant"),
    SitePage("Account reputation", "tenants:account", "bounce complaint rates", needs="tenants.view_tenant"),
    SitePage("Migrations", "operations:migrations", "tenant", needs="tenants.view_tenant"),
    SitePage("Drift", "operations:differences", "differences unmanaged check", needs="tenants.view_tenant"),
    SitePage("Import", "operations:legacy_import", "legacy previous system csv json", needs="domains.adopt_identity"),
)
