"""Every page of the product, and every face of it: who visits, and what they do there before it is looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from playwright.sync_api import Page

from domains.models import Domain
from receipt_rules.models import Address, Endpoint, Run
from tests.browser import receiving
from tests.browser.people import PASSWORD
from tests.browser.problem_urls import PROBLEMS
from tests.browser.showcase import Showcase

Arguments = Callable[[Showcase], tuple[Any, ...]]
Act = Callable[[Page], None]
ALERT = "main [role=alert]:not(:empty)"
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


def _wrong_sign_in(page: Page) -> None:
    page.get_by_label("E-mail address").fill("alice@acme.example")
    fill("Password", "a guess", "Sign in")(page)


def _to_the_second_step(page: Page) -> None:
    page.get_by_label("E-mail address").fill("tessa@acme.example")
    fill("Password", PASSWORD, "Sign in", seen="h1:text('The second step')")(page)


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
    Visit("domains:add", act=fill("Domain", "co.uk", "Look at it"), note="refused"),
    Visit("domains:add", act=fill("Domain", "https://bookfair.com/", "Look at it", seen="#found"), note="looked at"),
    Visit("domains:add", "sam"),
    *(Visit("domains:detail", of=domain(key), note=key) for key in ("claim", "starting", "stuck", "waiting", "each")),
    *(Visit("domains:detail", of=domain(key), note=key) for key in ("long", "verified", "idn", "deleting", "held")),
    Visit("domains:detail", of=domain("verified"), query="?show=todo"),
    Visit("domains:detail", "sam", of=domain("held"), note="held"),
    Visit("domains:history", of=domain("held")),
    Visit("domains:history", "sam", of=domain("held")),
    Visit("domains:history", of=domain("each"), note="empty"),
    Visit("domains:settings", of=domain("long")),
    Visit("domains:settings", of=domain("each"), act=fill("Name for bounces (MAIL FROM, optional)", "no good", "Save")),
    Visit("domains:delete", of=domain("long")),
    Visit(
        "domains:delete", of=domain("each"), act=fill("Type each.acme.com to delete it", "x", "Delete each.acme.com")
    ),
    Visit("domains:delete", of=domain("above"), note="with domains under it"),
    Visit("domains:support", "sam", of=domain("each")),
    Visit("domains:support", "sam", of=domain("claim"), note="a claim"),
    Visit("domains:support", "sam", of=domain("held"), note="held"),
    Visit("domains:support", "sam", of=domain("each"), act=press("Hold each.acme.com"), note="without a reason"),
)
PEOPLE = (
    Visit("tenants:list", "sam"),
    Visit("tenants:list", "sam", query="?q=nobody"),
    Visit("tenants:list", "newcomer"),
    Visit("tenants:create", "adam"),
    Visit("tenants:create", "adam", act=press("Create the customer"), note="without a name"),
    Visit("tenants:detail", of=acme),
    Visit("tenants:detail", "mick", of=acme),
    Visit("tenants:detail", "adam", of=acme),
    Visit("tenants:history", of=acme),
    Visit("tenants:rename", of=acme),
    Visit("tenants:member", of=lambda world: (world.acme.pk, world.membership.pk)),
    Visit("tenants:account"),
    Visit("tenants:accept", "", of=lambda world: (world.token,)),
    Visit("tenants:accept", "", of=lambda _: ("old",), status=404, note="a link that is no more"),
    Visit("tenants:accept", of=lambda world: (world.token,), status=403, note="of somebody else"),
)
RECEIVING = (
    Visit("receipt_rules:domain", of=domain("verified"), note="nothing yet"),
    Visit("receipt_rules:addresses", "nina", note="nothing yet"),
    Visit("receipt_rules:endpoints", "nina", note="nothing yet"),
    Visit("receipt_rules:runs", "adam", note="nothing yet"),
    Visit("receipt_rules:states", "adam", note="nothing yet"),
    Visit("receipt_rules:addresses", of=receiving.nothing),
    Visit("receipt_rules:addresses", "adam", query="?q=nothing-like-it&show=off"),
    Visit("receipt_rules:domain", of=domain("verified")),
    Visit("receipt_rules:domain", of=domain("verified"), act=press("Add the address"), note="nothing typed"),
    Visit("receipt_rules:domain", of=domain("waiting"), note="not verified"),
    Visit("receipt_rules:address", of=receiving.of(Address)),
    Visit("receipt_rules:add_many"),
    Visit("receipt_rules:add_many", "adam", act=press("Look at the lines"), note="nothing pasted"),
    Visit("receipt_rules:add_many", act=fill("Addresses", "a@verified.acme.com\nb", "Look at the lines", seen="table")),
    Visit("receipt_rules:endpoints"),
    Visit("receipt_rules:add_endpoint", "adam"),
    Visit("receipt_rules:add_endpoint", act=press("Add the endpoint"), note="nothing typed"),
    Visit("receipt_rules:endpoint", "adam", of=receiving.of(Endpoint)),
    Visit("receipt_rules:rules", "adam"),
    Visit("receipt_rules:plan", "adam"),
    Visit("receipt_rules:plan", "adam", act=press("Approve 3 steps"), note="without a reason"),
    Visit("receipt_rules:runs", "adam"),
    Visit("receipt_rules:run", "adam", of=receiving.of(Run)),
    Visit("receipt_rules:states", "adam"),
    Visit("receipt_rules:check", "adam"),
    Visit("receipt_rules:check", "adam", of=receiving.shut_out, note="SES may not"),
    Visit("receipt_rules:bucket_policy", "adam", of=receiving.shut_out),
    Visit("receipt_rules:function_permission", "adam", of=receiving.shut_out, query=f"?function={FUNCTION}"),
    Visit("receipt_rules:function_permission", "adam", note="of nothing"),
    Visit("receipt_rules:simulator", "adam", query="?addresses=billing@verified.acme.com,nonsense"),
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
    Visit("mfa_activate_totp", act=fill("Code of six digits", "000000", "Switch it on"), note="a wrong code"),
    Visit("mfa_activate_totp", lately=False, elsewhere=True, note="asks for the password again"),
    Visit("mfa_deactivate_totp", "tessa"),
    Visit("mfa_view_recovery_codes", "tessa"),
    Visit("mfa_generate_recovery_codes", "tessa"),
    Visit("mfa_reauthenticate", "tessa"),
    Visit("account_login", "", act=_to_the_second_step, note="the second step"),
)
SANDBOX = (
    Visit("sandbox:zones"),
    Visit("sandbox:zones", "nina", note="none yet"),
    Visit("sandbox:zone", of=lambda _: ("acme.com",)),
    Visit("sandbox:zone", of=lambda _: ("acme.com",), act=press("Add the record"), note="nothing typed"),
    Visit("sandbox:zone", of=lambda world: (_zone_of(world.domains["long"]),)),
    Visit("sandbox:faults"),
)
GONE_WRONG = (
    *(Visit(f"problem-{name}", status=status, note=str(status)) for name, (status, _) in PROBLEMS.items()),
    Visit("problem-not-here", "", status=302, elsewhere=True, note="without a sign-in"),
    Visit("problem-old-form", status=403),
)
VISITS = (*DOMAINS, *PEOPLE, *RECEIVING, *SIGNING_IN, *SANDBOX, *GONE_WRONG)

NO_PAGE = {
    "receipt_rules:home": "leads to the rules, or to the addresses",
    "receipt_rules:cancel": "a button of the run",
    "home": "leads to the list of domains",
    "healthz": "JSON, for machines",
    "domains:export": "a file",
    "domains:check": "a button of the records page",
    "domains:new_keys": "a button of the settings",
    "domains:start_again": "a button of the settings",
    "tenants:invite": "a button of the customer's page",
    "tenants:invitation": "buttons of the customer's page",
    "tenants:theme": "a button of the menu",
    "mfa_download_recovery_codes": "a file",
    "mfa_authenticate": "the second step of signing in, visited from account_login",
    "account_set_password": "leads whoever has a password to account_change_password, and everybody here has one",
    "account_confirm_login_code": "signing in by a code is switched off",
}


def _zone_of(shown: Domain) -> str:
    return shown.parsed.zone
