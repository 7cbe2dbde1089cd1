"""Every page of the product, and every face of it: who visits, and what they do there before it is looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.utils import timezone
from playwright.sync_api import Page

from domains.models.domains import Domain
from domains.models.history import ObservedAnswer
from domains.sharing.selectors import token_of
from domains.sharing.services import create as create_link
from domains.sharing.services import note_visit
from notifications.models.webhooks import DeliveryState
from operations.models import Difference, Migration
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, ForwardingState
from receipt_rules.models.runs import Run
from tests.browser import alerting, deciding, in_bulk, moving, moving_in, receiving, reputation, tenancy, week
from tests.browser.people import PASSWORD
from tests.browser.problem_urls import PROBLEMS
from tests.browser.showcase import Showcase
from tests.browser.worker import make_diagnoses

Arguments = Callable[[Showcase], tuple[Any, ...]]
Act = Callable[[Page], None]
MOVING_IN = ("looking", "looked", "moving", "done", "cancelled")
MOVES = ("done", "failed", "running", "waiting", "rolled_back")
ALERT = "main [role=alert]:not(:empty)"
NAMED = "main li:has-text('nobody.example')"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:inbound-mail-handler"


@dataclass(frozen=True)
class Visit:
    """To the URL of that name by that person ("" for nobody). `elsewhere`: where it leads is another address."""

    name: str
    who: str = "alice"
    of: Arguments = lambda _: ()
    query: str = ""
    act: Act | None = None
    note: str = ""
    status: int = 200
    elsewhere: bool = False
    lately: bool = True

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.note or self.query, f"({self.who or 'nobody'})")))


def domain(key: str) -> Arguments:
    return lambda world: (world.domains[key].id,)


def shared(key: str) -> Arguments:
    """A link to that domain, made by Alice, of which somebody knows already."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        link = create_link(domain=world.domains[key], actor=world.people["alice"], meant_for="Our IT company")
        note_visit(link=link, address="192.0.2.7", user_agent="Firefox/140 (Linux)", now=timezone.now())
        return (token_of(link),)

    return arguments


def remembered(key: str) -> Arguments:
    """A signing key that was right, then gone."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        domain = world.domains[key]
        record, now = domain.records[1], timezone.now()
        times = {
            "since": now - timedelta(days=20),
            "last_seen": now - timedelta(days=2),
            "until": now - timedelta(days=1),
        }
        asked = {"domain": domain, "name": record.name, "type": record.type, "resolver": "1.1.1.1:53"}
        ObservedAnswer.objects.create(**asked, **times, status="found", values=[record.value], serial=7)
        ObservedAnswer.objects.create(**asked, status="no_name", since=times["until"], serial=8)
        return (domain.id,)

    return arguments


def at_a_host_that_helps(world: Showcase) -> tuple[Any, ...]:
    """Its DNS host supports Domain Connect and knows our template."""
    domain, page = world.domains["waiting"], "https://dns-host.example/connect"
    domain.domain_connect = {"api": page, "page": page, "name": "A DNS host", "zone": domain.hosted.zone}
    domain.save(update_fields=["domain_connect"])
    return (domain.id,)


def acme(world: Showcase) -> tuple[str, ...]:
    return (world.acme.pk,)


def fill(label: str, text: str, button: str, *, seen: str = ALERT) -> Act:
    def act(page: Page) -> None:
        page.get_by_label(label, exact=True).first.fill(text)
        press(button, seen=seen)(page)

    return act


def press(button: str, *, seen: str = ALERT) -> Act:
    """Past the browser's own checks, which would keep the server's answer from us. Waits until `seen` is there."""

    def act(page: Page) -> None:
        page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")
        page.get_by_role("button", name=button, exact=True).first.click()
        page.locator(seen).first.wait_for()

    return act


def unfold(label: str) -> Act:
    return lambda page: page.locator(f"summary[aria-label^='{label}']").click()


def _diagnosed(page: Page) -> None:
    make_diagnoses(page)
    page.locator("#result [data-summary]").wait_for()


def _look_before_pausing(page: Page) -> None:
    page.get_by_label("Reason").select_option("spam")
    fill("Staff note", "Forty reports since noon.", "Review pause", seen="#mail-title")(page)


def _choose_two(page: Page) -> None:
    for name in ("suspended", "paused-by-us"):
        page.get_by_label(f"Select {name}", exact=True).check()
    press("Pause…", seen="#rows-title")(page)


def _wrong_sign_in(page: Page) -> None:
    page.get_by_label("Email address").fill("alice@acme.example")
    fill("Password", "a guess", "Sign in")(page)


def _to_the_second_step(page: Page) -> None:
    page.get_by_label("Email address").fill("tessa@acme.example")
    fill("Password", PASSWORD, "Sign in", seen="h1:text('Two-step sign-in')")(page)


def _reset_link(world: Showcase) -> tuple[str, str]:
    person = world.people["mick"]
    return user_pk_to_url_str(person), default_token_generator.make_token(person)


def _confirmation(world: Showcase) -> tuple[str]:
    return (EmailConfirmationHMAC(EmailAddress.objects.get(user=world.people["mick"])).key,)


DOMAINS = (
    Visit("domains:list"),
    Visit("domains:list", "nina", note="nothing yet"),
    Visit("domains:list", "newcomer", note="of no customer"),
    Visit("domains:list", query="?q=nothing-like-it&state=wrong"),
    Visit("domains:list", query="?show=attention"),
    Visit("domains:list", "sam"),
    Visit("domains:list", act=unfold("Your account"), note="with the account's menu"),
    Visit("domains:list", act=lambda page: page.keyboard.press("?"), note="with the keyboard shortcuts"),
    Visit("domains:add"),
    Visit("domains:add", act=fill("Domain", "co.uk", "Continue"), note="refused"),
    Visit("domains:add", act=fill("Domain", "https://bookfair.com/", "Continue", seen="#found"), note="looked at"),
    Visit("domains:add", "sam"),
    *(Visit("domains:detail", of=domain(key), note=key) for key in ("claim", "starting", "stuck", "waiting", "each")),
    *(Visit("domains:detail", of=domain(key), note=key) for key in ("long", "verified", "idn", "deleting", "held")),
    Visit("domains:detail", of=domain("verified"), query="?show=todo"),
    Visit(
        "domains:detail",
        of=at_a_host_that_helps,
        act=lambda page: page.locator("#domain-connect").wait_for(),
        note="Domain Connect",
    ),
    Visit("domains:detail", "sam", of=domain("held"), note="held"),
    Visit("domains:diagnosis", of=domain("broken"), act=_diagnosed),
    Visit("domains:diagnosis", of=domain("broken"), query="?look=1", note="waiting"),
    Visit("domains:diagnosis", of=domain("each"), act=_diagnosed, note="DNS host silent"),
    Visit("domains:diagnosis", of=domain("claim"), act=_diagnosed, note="a claim"),
    Visit("domains:diagnosis", "sam", of=domain("starting"), act=_diagnosed, note="not set up"),
    Visit("domains:codes", ""),
    Visit("domains:history", of=domain("held")),
    Visit("domains:history", "sam", of=domain("held")),
    Visit("domains:history", of=domain("each"), note="empty"),
    Visit("domains:dns_history", of=domain("each"), note="nothing yet"),
    Visit("domains:dns_history", of=remembered("verified")),
    Visit("domains:dns_history", of=domain("verified"), query="?from=2026-05-03T09:12"),
    Visit("domains:exports", of=domain("each")),
    Visit("domains:exports", of=domain("each"), query="?format=route53&which=missing"),
    Visit("domains:exports", of=domain("verified"), query="?which=missing"),
    Visit("domains:print", of=domain("each")),
    Visit("domains:share", of=domain("each"), note="nothing yet"),
    Visit("domains:mail_records", of=domain("long")),
    Visit("domains:mail_records", of=domain("long"), query="?host=route53", note="another DNS host"),
    Visit("domains:mail_records", of=domain("long"), act=press("Send email"), note="no address"),
    Visit("domains:mail_records", of=domain("held"), note="held"),
    Visit("domains:shared", "", of=shared("long")),
    Visit("domains:shared", "", of=shared("long"), query="?host=route53"),
    Visit("domains:shared", "", of=shared("verified")),
    Visit("domains:shared", "", of=shared("held")),
    Visit("domains:shared", "", of=shared("claim")),
    Visit("domains:share", of=domain("long"), note="with a link"),
    Visit("domains:shared", "", of=lambda _: ("old",), status=404, note="a link that is no more"),
    Visit("domains:settings", of=domain("long")),
    Visit("domains:settings", of=domain("each"), act=fill("MAIL FROM domain (optional)", "no good", "Save")),
    Visit("operations:delete_domain", of=domain("long")),
    Visit(
        "operations:delete_domain",
        of=domain("each"),
        act=fill("Type each.acme.com to delete it", "x", "Delete each.acme.com"),
    ),
    Visit("operations:delete_domain", of=domain("above"), note="with domains under it"),
    Visit("domains:support", "sam", of=domain("each")),
    Visit("domains:support", "sam", of=domain("claim"), note="a claim"),
    Visit("domains:support", "sam", of=domain("held"), note="held"),
    Visit("domains:support", "sam", of=domain("each"), act=press("Hold each.acme.com"), note="without a reason"),
)
PEOPLE = (
    Visit("customers:list", "sam"),
    Visit("customers:list", "sam", query="?q=nobody"),
    Visit("customers:list", "newcomer"),
    Visit("customers:create", "adam"),
    Visit("customers:create", "adam", act=press("Create customer"), note="without a name"),
    Visit("customers:detail", of=acme),
    Visit("customers:detail", "mick", of=acme),
    Visit("customers:detail", "adam", of=acme),
    Visit("customers:history", of=acme),
    Visit("customers:rename", of=acme),
    Visit("customers:member", of=lambda world: (world.acme.pk, world.membership.pk)),
    Visit("accounts:account"),
    Visit("accounts:keys", "nina", note="none yet"),
    Visit("accounts:keys", act=press("Create key"), note="nothing typed"),
    Visit("accounts:keys", act=fill("Name", "Shop", "Create key", seen="#secret"), note="made"),
    Visit("accounts:accept", "", of=lambda world: (world.token,)),
    Visit("accounts:accept", "", of=lambda _: ("old",), status=404, note="a link that is no more"),
    Visit("accounts:accept", of=lambda world: (world.token,), status=403, note="of somebody else"),
)
RECEIVING = (
    Visit("receipt_rules:domain", of=domain("verified"), note="nothing yet"),
    Visit("receipt_rules:addresses", "nina", note="nothing yet"),
    Visit("receipt_rules:endpoints", "nina", note="nothing yet"),
    Visit("receipt_rules:received", "nina", note="nothing yet"),
    Visit("receipt_rules:runs", "adam", note="nothing yet"),
    Visit("receipt_rules:states", "adam", note="nothing yet"),
    Visit("receipt_rules:addresses", of=receiving.nothing),
    Visit("receipt_rules:addresses", "adam", query="?q=nothing-like-it&show=off"),
    Visit("receipt_rules:domain", of=domain("verified")),
    Visit("receipt_rules:domain", of=domain("verified"), act=press("Add address"), note="nothing typed"),
    Visit("receipt_rules:domain", of=receiving.missing_probe, note="a scheduled test message is missing"),
    Visit("receipt_rules:domain", of=domain("waiting"), note="not verified"),
    Visit("receipt_rules:send_only", of=domain("verified")),
    Visit("receipt_rules:address", of=receiving.of(Address)),
    Visit("receipt_rules:add_many"),
    Visit("receipt_rules:add_many", "adam", act=press("Preview addresses"), note="nothing pasted"),
    Visit("receipt_rules:add_many", act=fill("Addresses", "a@verified.acme.com\nb", "Preview addresses", seen="table")),
    Visit("receipt_rules:endpoints"),
    Visit("receipt_rules:add_endpoint", "adam"),
    Visit("receipt_rules:add_endpoint", act=press("Add endpoint"), note="nothing typed"),
    Visit("receipt_rules:endpoint", "adam", of=receiving.of(Endpoint)),
    Visit("receipt_rules:endpoint", of=receiving.waiting_endpoint, note="recipients have not confirmed"),
    *(Visit("receipt_rules:forwarding", "", of=receiving.forwarding_link(state)) for state in ForwardingState),
    Visit("receipt_rules:forwarding", "", of=lambda _: ("old",), status=404, note="a link that is no more"),
    Visit("receipt_rules:probes", of=receiving.nothing),
    Visit("receipt_rules:probes", act=press("Send test message"), note="nothing typed"),
    Visit("receipt_rules:probe", of=receiving.probe),
    Visit("receipt_rules:received", of=receiving.nothing),
    Visit("receipt_rules:received", "adam", query="?show=failed"),
    Visit("receipt_rules:received", query="?q=nothing-like-it"),
    Visit("receipt_rules:received_message", of=receiving.failed_mail),
    Visit(
        "receipt_rules:endpoint",
        of=receiving.of(Endpoint),
        act=press("Generate new secret", seen="#secret"),
        note="the secret",
    ),
    Visit("receipt_rules:rules", "adam"),
    Visit("receipt_rules:plan", "adam", note="while a run is under way"),
    Visit("receipt_rules:runs", "adam"),
    Visit("receipt_rules:run", "adam", of=receiving.of(Run)),
    Visit("receipt_rules:run", "adam", of=receiving.proposed, note="waits for a second operator"),
    Visit("receipt_rules:plan", "adam", of=receiving.done),
    Visit("receipt_rules:plan", "adam", act=press("Approve 3 steps"), note="without a reason"),
    Visit("receipt_rules:states", "adam"),
    Visit("receipt_rules:check", "adam"),
    Visit("receipt_rules:check", "adam", of=receiving.shut_out, note="SES may not"),
    Visit("receipt_rules:bucket_policy", "adam", of=receiving.shut_out),
    Visit("receipt_rules:function_permission", "adam", of=receiving.shut_out, query=f"?function={FUNCTION}"),
    Visit("receipt_rules:function_permission", "adam", note="of nothing"),
    Visit("receipt_rules:pipeline", "adam"),
    Visit("receipt_rules:pipeline", "adam", query="?days=7&domain=verified.acme.com"),
    Visit("receipt_rules:simulator", "adam", query="?addresses=billing@verified.acme.com,nonsense"),
)
SPANNING = (
    Visit("operations:overview", "nina", note="nothing yet"),
    Visit("operations:overview", of=receiving.nothing),
    Visit("operations:overview", "sam", of=tenancy.nothing),
    Visit("operations:overview", "adam", of=week.of_work),
    Visit("operations:find", of=alerting.inbox, note="nothing typed"),
    Visit("operations:find", query="?q=nothing-like-it"),
    Visit("operations:find", query="?q=acme"),
    Visit("operations:find", query="?q=verified.acme.com", elsewhere=True),
    Visit("operations:find", "sam", query="?q=acme"),
    Visit("operations:case", "sam", of=domain("broken"), act=_diagnosed),
    Visit("operations:case", "sam", of=domain("held"), act=_diagnosed, note="held"),
    Visit("operations:case", "sam", of=domain("claim"), act=_diagnosed, note="a claim"),
    Visit("operations:changes", "nina", note="nothing yet"),
    Visit("operations:changes"),
    Visit("operations:changes", "adam"),
    Visit("operations:changes", "adam", query="?q=nothing-like-it"),
    Visit("operations:migrations", "adam", note="nothing yet"),
    Visit("operations:differences", "adam", note="not looked yet"),
    Visit("operations:migrations", "adam", of=moving.nothing),
    Visit("operations:migrations", "sam"),
    Visit("operations:plan_migration", "adam"),
    Visit("operations:plan_migration", "adam", act=press("Preview plan"), note="without a reason"),
    Visit("operations:migration", "adam", of=moving.of(Migration, state="running")),
    Visit("operations:migration", "adam", of=moving.of(Migration, state="running"), query="?show=failed"),
    Visit("operations:migration", "adam", of=moving.of(Migration, state="planned"), note="planned"),
    *(Visit("operations:migration_item", "adam", of=moving.item(state), note=state) for state in MOVES),
    Visit("operations:move", "adam", of=acme),
    Visit("operations:move", "sam", of=acme),
    Visit("operations:differences", "adam", of=moving.nothing),
    Visit("operations:differences", "sam", of=moving.nothing, query="?show=ignored"),
    Visit("operations:decide_many", "adam", of=moving.nothing, query="?area=tenants&kind=policy"),
    Visit("operations:decide_many", "adam", of=moving.nothing, query="?area=rules&kind=nonsense", note="none"),
    Visit("operations:difference", "adam", of=moving.of(Difference, kind="policy")),
    Visit("operations:difference", "adam", of=moving.of(Difference, kind="unknown"), note="nobody's"),
    Visit(
        "operations:difference",
        "adam",
        of=moving.of(Difference, kind="policy"),
        act=press("Apply decision"),
        note="no reason",
    ),
    Visit("operations:difference", "sam", of=moving.of(Difference, kind="status"), note="left"),
    Visit("operations:moving_in", "adam", note="nothing yet"),
    Visit("operations:moving_in", "adam", act=press("Preview import"), note="without a file"),
    *(Visit("operations:moving_in_rows", "adam", of=moving_in.of(state), note=state) for state in MOVING_IN),
    Visit("operations:moving_in_rows", "adam", of=moving_in.of("done"), query="?fate=refused"),
    Visit("operations:moving_in", "adam"),
    Visit("operations:adopt_identities", "adam"),
    Visit("operations:adopt_identities", "adam", act=press("Preview"), note="without a reason"),
    Visit("operations:start_bulk", "sam"),
    Visit("operations:start_bulk", "sam", act=press("Preview"), note="nothing named"),
    Visit(
        "operations:start_bulk",
        "sam",
        act=fill(
            "Domains (optional)",
            "verified.acme.com held.acme.com nobody.example",
            "Preview",
            seen=NAMED,
        ),
        note="looked at",
    ),
    Visit("operations:start_bulk"),
    Visit("operations:bulk", "sam", of=in_bulk.held),
    Visit("operations:delete_domain", of=domain("verified")),
    Visit("operations:delete_domain", of=domain("deleting"), note="under way"),
)
SIGNING_IN = (
    Visit("account_login", ""),
    Visit("account_login", "", act=_wrong_sign_in, note="refused"),
    Visit("account_logout"),
    Visit("account_signup", "", note="closed"),
    Visit("account_inactive", ""),
    Visit("account_email"),
    Visit("account_email_verification_sent", ""),
    Visit("account_confirm_email", "", of=_confirmation),
    Visit("account_confirm_email", "", of=lambda _: ("old",), note="a link that is no more"),
    Visit("account_change_password"),
    Visit("account_reauthenticate"),
    Visit("account_reset_password", ""),
    Visit("account_reset_password_done", ""),
    Visit("account_reset_password_from_key", "", of=_reset_link, elsewhere=True),
    Visit("account_reset_password_from_key", "", of=lambda _: ("1", "old-key"), note="a link that is no more"),
    Visit("account_reset_password_from_key_done", ""),
    Visit("mfa_index"),
    Visit("mfa_index", "tessa", note="switched on"),
    Visit("mfa_activate_totp"),
    Visit("mfa_activate_totp", act=fill("Six-digit code", "000000", "Turn on"), note="a wrong code"),
    Visit("mfa_activate_totp", lately=False, elsewhere=True, note="asks for the password again"),
    Visit("mfa_deactivate_totp", "tessa"),
    Visit("mfa_view_recovery_codes", "tessa"),
    Visit("mfa_generate_recovery_codes", "tessa"),
    Visit("mfa_reauthenticate", "tessa"),
    Visit("account_login", "", act=_to_the_second_step, note="the second step"),
)
ACMES = "acme-and-daughters-booksellers-since-1871-4f9k2m7q"
TENANTS = (
    Visit("tenants:list", "adam", of=tenancy.nothing),
    Visit("tenants:list", "olga"),
    Visit("tenants:list", "tess", query="?q=nothing-like-it&show=paused"),
    *(Visit("tenants:detail", "adam", of=tenancy.of(name), note=name) for name in (ACMES, "suspended", "pausing")),
    *(Visit("tenants:detail", "tess", of=tenancy.of(name), note=name) for name in ("paused-by-us", "stuck")),
    *(Visit("tenants:detail", "sam", of=tenancy.of(name), note=name) for name in ("creating", "unknown")),
    Visit("tenants:resources", "sam", of=tenancy.of("paused-by-us")),
    Visit("tenants:resources", "sam", of=tenancy.of("creating"), note="empty"),
    Visit("tenants:reputation", "tess", of=reputation.of("paused-by-us")),
    Visit("tenants:reputation", "tess", of=reputation.of("paused-by-us"), query="?days=30"),
    Visit("tenants:reputation", "sam", of=tenancy.of("creating"), note="nothing read"),
    Visit("tenants:account", "olga", of=reputation.account),
    Visit("tenants:history", "sam", of=tenancy.of("paused-by-us")),
    Visit("tenants:history", "sam", of=tenancy.of("paused-by-us"), query="?show=statuses"),
    Visit("tenants:create", "olga"),
    Visit("tenants:create", "olga", act=press("Create tenant"), note="nothing chosen"),
    Visit("tenants:policy", "olga", of=tenancy.of("paused-by-us")),
    Visit("tenants:keep", "tess", of=tenancy.of("paused-by-us")),
    Visit("tenants:delete", "olga", of=tenancy.of("suspended")),
    Visit("tenants:delete", "olga", of=tenancy.of("paused-by-us"), note="not while it is paused"),
    Visit("operations:pause", "tess", of=tenancy.of(ACMES)),
    Visit("operations:pause", "tess", of=tenancy.of(ACMES), act=press("Review pause"), note="without a reason"),
    Visit("operations:pause", "tess", of=tenancy.of(ACMES), act=_look_before_pausing, note="looked at"),
    Visit("operations:resume", "tess", of=tenancy.of("paused-by-us")),
    Visit("operations:resume", "tess", of=tenancy.of("suspended"), note="suspended by Amazon"),
    Visit("operations:pause_many", "tess", note="none chosen"),
    Visit("tenants:list", "tess", act=_choose_two, note="two chosen"),
    Visit("operations:batch", "tess", of=tenancy.batch),
    Visit("operations:start_bulk", query="?do=delete&names=acme.com+nobody-has-this.com"),
    Visit("operations:start_bulk", "adam", query="?do=transfer&names=acme.com+nobody-has-this.com"),
    Visit("domains:support", "adam", of=deciding.said, note="overridden and exceptions"),
    Visit("domains:detail", "adam", of=deciding.said, note="overridden and exceptions"),
    Visit("domains:list", "pia", note="while sending is paused"),
    Visit("domains:list", "susan", note="while Amazon suspends sending"),
    Visit("domains:sending", of=domain("verified")),
    Visit("domains:sending", "adam", of=domain("each")),
)
SANDBOX = (
    Visit("sandbox:zones"),
    Visit("sandbox:zones", "nina", note="none yet"),
    Visit("sandbox:zone", of=lambda _: ("acme.com",)),
    Visit("sandbox:zone", of=lambda _: ("acme.com",), act=press("Add record"), note="nothing typed"),
    Visit("sandbox:zone", of=lambda world: (_zone_of(world.domains["long"]),)),
    Visit("sandbox:faults"),
    Visit("sandbox:mail"),
    Visit("sandbox:mail", "adam", act=press("Run function now", seen="#came-title"), note="nothing waits"),
    Visit("sandbox:what_to_try"),
    Visit("sandbox:tenants", "adam", of=tenancy.nothing),
    Visit("sandbox:tenants", "newcomer", note="none yet"),
    Visit("sandbox:tenants", "adam", act=press("Set rates"), note="nothing typed"),
)
GONE_WRONG = (
    *(Visit(f"problem-{name}", status=status, note=str(status)) for name, (status, _) in PROBLEMS.items()),
    Visit("problem-not-here", "", status=302, elsewhere=True, note="without a sign-in"),
    Visit("problem-old-form", status=403),
)
ALERTS = (
    Visit("notifications:inbox", "nina", note="nothing yet"),
    Visit("notifications:webhooks", "nina", note="nothing yet"),
    Visit("notifications:inbox", of=alerting.inbox),
    Visit("notifications:inbox", query="?show=acknowledged"),
    Visit("notifications:inbox", query="?show=over"),
    Visit("notifications:inbox", "adam"),
    Visit("notifications:inbox", "sam", query="?whose=customers"),
    *(Visit("notifications:alert", of=alerting.alert(name), note=name) for name in alerting.NAMES),
    Visit("notifications:alert", of=alerting.alert("lost"), act=press("Mute", seen="[data-result]"), note="just muted"),
    Visit("notifications:alert", "sam", of=alerting.alert("lost"), note="of a customer"),
    Visit("notifications:webhooks", of=alerting.inbox),
    Visit("notifications:add_webhook"),
    Visit("notifications:add_webhook", act=press("Add webhook"), note="nothing typed"),
    Visit("notifications:webhook", of=alerting.target("works")),
    Visit("notifications:webhook", "mick", of=alerting.target("works"), note="of a member"),
    Visit("notifications:webhook", of=alerting.target("off"), note="switched off"),
    Visit(
        "notifications:webhook",
        of=alerting.target("works"),
        act=press("Rotate secret", seen="#secret"),
        note="with its new secret",
    ),
    Visit("notifications:delivery", of=alerting.delivery(DeliveryState.DELIVERED), note="delivered"),
    Visit("notifications:delivery", of=alerting.delivery(DeliveryState.WAITING), note="waiting"),
    Visit("notifications:preferences"),
    Visit("notifications:preferences", "sam"),
)
# Each subject is a test of its own, the longest first: workers share them out.
SUBJECTS = {
    "domains": DOMAINS,
    "tenants": TENANTS,
    "spanning": SPANNING,
    "receiving": RECEIVING,
    "signing in": SIGNING_IN,
    "alerts": ALERTS,
    "people": PEOPLE,
    "sandbox": SANDBOX,
    "gone wrong": GONE_WRONG,
}
VISITS = tuple(visit for visits in SUBJECTS.values() for visit in visits)

NO_PAGE = {
    "metrics": "text, for machines",
    "readyz": "JSON, for machines",
    "customers:choices": "the options of a field",
    "sandbox:progress": "how far the demo is made, inside another page",
    "operations:export_changes": "a file",
    "domains:diagnosis_file": "a file",
    "operations:steer_migration": "buttons of the migration",
    "operations:look": "a button of the board of differences",
    "operations:moving_in_outcomes": "a file",
    "operations:steer_moving_in": "buttons of what moves in",
    "notifications:new_secret": "a button of the webhook",
    "notifications:test_webhook": "a button of the webhook",
    "notifications:remove_webhook": "a button of the webhook",
    "tenants:export": "a file",
    "tenants:ask_again": "a button of the reputation",
    "tenants:events": "SNS posts there",
    "operations:retry_bulk": "a button of the bulk",
    "operations:stop_bulk": "a button of the bulk",
    "operations:pause_bulk": "a button of the bulk",
    "operations:resume_bulk": "a button of the bulk",
    "accounts:revoke_key": "a button of the keys",
    "operations:retry_batch": "a button of the batch",
    "receipt_rules:home": "leads to the rules, or to the addresses",
    "receipt_rules:cancel": "a button of the run",
    "receipt_rules:probe_schedule": "a form of the Inbound tab",
    "receipt_rules:signing_secret": "a button of the endpoint",
    "receipt_rules:confirm": "a button of the run",
    "home": "leads to the overview",
    "healthz": "JSON, for machines",
    "domains:export": "a file",
    "domains:check": "a button of the records page",
    "domains:dns_history_file": "a file",
    "domains:export_file": "a file",
    "domains:verified_notice": "a button of the records page",
    "domains:share_revoke": "a button of the page of links",
    "domains:new_keys": "a button of the settings",
    "domains:start_again": "a button of the settings",
    "customers:invite": "a button of the customer's page",
    "customers:invitation": "buttons of the customer's page",
    "accounts:theme": "a button of the menu",
    "mfa_download_recovery_codes": "a file",
    "mfa_authenticate": "the second step of signing in, visited from account_login",
    "account_set_password": "leads whoever has a password to account_change_password, and everybody here has one",
    "account_confirm_login_code": "signing in by a code is switched off",
}


def _zone_of(shown: Domain) -> str:
    return shown.parsed.zone
