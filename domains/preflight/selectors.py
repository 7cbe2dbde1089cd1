"""Decides whether a customer may add a name: it is a domain name, and nobody has proven it."""

from accounts.models.people import Customer
from domains.models.domains import Domain, Stage
from domains.names.core import ParsedDomain, parse_domain
from domains.ownership.selectors import held_domains, mail_from_of
from inbound_admin.lib.errors import Refused

# Mailbox providers: only the provider can publish records there.
MAIL_PROVIDERS = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com aol.com icloud.com me.com"
    " mac.com proton.me protonmail.com gmx.com gmx.net gmx.de web.de mail.com zoho.com yandex.com yandex.ru mail.ru"
    " fastmail.com hey.com tutanota.com qq.com 163.com 126.com outlook.de hotmail.co.uk yahoo.co.uk".split()
)
TAKEN = "This domain is already in use. If you own it, contact support."


def parse_new_domain(text: str, customer: Customer) -> ParsedDomain:
    """Return the parsed name. Raises Refused: DOMAIN_ALREADY_REGISTERED, or a code of `parse_domain`."""
    parsed = parse_domain(text)
    name = parsed.domain.ascii
    if parsed.domain.zone in MAIL_PROVIDERS:
        sentence = f"{parsed.domain} is a mail provider's domain, so you can't add it. Add a domain that you own."
        raise Refused(sentence, code="MAIL_PROVIDER")
    if own := Domain.objects.filter(name=name, customer=customer).only("stage").first():
        sentence = f"{parsed.domain} is already in your list."
        if own.stage == Stage.DELETING:
            sentence = f"{parsed.domain} is being deleted. Add it again once it has left your list."
        raise Refused(sentence, code="DOMAIN_ALREADY_REGISTERED")
    bounces = mail_from_of(parsed.domain)
    if bounces is not None and bounces.customer_id == customer.pk:
        raise Refused(
            f"{parsed.domain} is the MAIL FROM domain of {bounces}, so you can't add it as a domain. "
            f"Add another name, or change the MAIL FROM domain in the settings of {bounces} first.",
            code="MAIL_FROM_NAME",
        )
    if bounces is not None or held_domains().filter(name=name).exists():
        raise Refused(TAKEN, code="DOMAIN_ALREADY_REGISTERED")
    return parsed
