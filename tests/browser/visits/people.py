"""Pages of people and customers, and of signing in."""

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from playwright.sync_api import Page

from tests.browser.people import PASSWORD
from tests.browser.showcase.world import Showcase
from tests.browser.visits.visit import Visit, acme, fill, press


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
