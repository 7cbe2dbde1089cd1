"""Pages of domains."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from domains.models.record_checks import ObservedAnswer
from domains.sharing.selectors import token_of
from domains.sharing.services import create as create_link
from domains.sharing.services import record_visit
from tests.browser.showcase.world import Showcase
from tests.browser.visits.visit import Act, Arguments, Visit, domain, fill, press, show_diagnosis


def shared(key: str) -> Arguments:
    """Return arguments with a link to the domain, made by Alice, that somebody has opened."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        link = create_link(domain=world.domains[key], actor=world.people["alice"], meant_for="Our IT company")
        record_visit(link=link, address="192.0.2.7", user_agent="Firefox/140 (Linux)", now=timezone.now())
        return (token_of(link),)

    return arguments


def domain_with_history(key: str) -> Arguments:
    """Return arguments of a domain with a DKIM record that was correct and then disappeared."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        domain = world.domains[key]
        record, now = domain.records[1], timezone.now()
        times = {
            "since": now - timedelta(days=20),
            "last_seen": now - timedelta(days=2),
            "until": now - timedelta(days=1),
        }
        lookup = {"domain": domain, "name": record.name, "type": record.type, "resolver": "1.1.1.1:53"}
        ObservedAnswer.objects.create(**lookup, **times, status="found", values=[record.value], serial=7)
        ObservedAnswer.objects.create(**lookup, status="no_name", since=times["until"], serial=8)
        return (domain.id,)

    return arguments


def with_domain_connect(world: Showcase) -> tuple[Any, ...]:
    """Let its DNS host support Domain Connect and know our template."""
    domain, page = world.domains["waiting"], "https://dns-host.example/connect"
    domain.domain_connect = {"api": page, "page": page, "name": "A DNS host", "zone": domain.hosted.zone}
    domain.save(update_fields=["domain_connect"])
    return (domain.id,)


def unfold(label: str) -> Act:
    return lambda page: page.locator(f"summary[aria-label^='{label}']").click()


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
        of=with_domain_connect,
        act=lambda page: page.locator("#domain-connect").wait_for(),
        note="Domain Connect",
    ),
    Visit("domains:detail", "sam", of=domain("held"), note="held"),
    Visit("domains:diagnosis", of=domain("broken"), act=show_diagnosis),
    Visit("domains:diagnosis", of=domain("broken"), query="?look=1", note="waiting"),
    Visit("domains:diagnosis", of=domain("each"), act=show_diagnosis, note="DNS host silent"),
    Visit("domains:diagnosis", of=domain("claim"), act=show_diagnosis, note="a claim"),
    Visit("domains:diagnosis", "sam", of=domain("starting"), act=show_diagnosis, note="not set up"),
    Visit("domains:codes", ""),
    Visit("domains:history", of=domain("held")),
    Visit("domains:history", "sam", of=domain("held")),
    Visit("domains:history", of=domain("each"), note="empty"),
    Visit("domains:dns_history", of=domain("each"), note="nothing yet"),
    Visit("domains:dns_history", of=domain_with_history("verified")),
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
