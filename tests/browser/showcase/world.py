"""Rows of every kind that a page can show, as the services would have created them over days."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.utils import timezone

from accounts.members.services import invite
from accounts.models.people import Customer, Invitation, MemberRole, Membership, User
from accounts.roles import Role
from domains.checking.core import sentences
from domains.checking.core.judgement import Judgement, State, judge_aspects, judge_domain
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.overrides import services as overrides_services
from domains.records.core import Record
from inbound_admin.lib.errors import AwsUnreachable
from operations.customers.services import create_customer
from sandbox.process import Sandbox
from tests.accounts.invitations import mailed_token
from tests.domains.factories import make_domain, records_to_publish
from tests.factories import make_member, make_staff, make_user

TOKENS = ["wqs7q2rcg4dh5dmmjwhkelbtmfkqj35n", "xkpj6rv2hqnzcstpoyqd3cwtwukgzq5l", "7u4fz2bqxvjlwyo3tn6smm2xaeighd5r"]
LONG = "mail.the-friends-of-the-old-harbour-and-its-three-lighthouses.co.uk"
SILENT = str(AwsUnreachable("Amazon did not answer within 5 seconds. We go on trying; nothing was lost."))

# One record in each state, with a code that can cause it and the values found.
EACH_STATE: Mapping[str, tuple[State, str, tuple[str, ...]]] = {
    "identity": (State.VERIFIED, "", ()),
    "dkim-1": (State.WRONG, "dns.value.typo", (f"{TOKENS[0][:16]}b{TOKENS[0][17:]}.dkim.amazonses.com",)),
    "dkim-2": (State.SPREADING, "dns.spreading", ()),
    "dkim-3": (State.WAITING, "dns.absent", ()),
    "mail-from-mx": (State.COULD_NOT_CHECK, "dns.lookup_failed", ()),
    "mail-from-spf": (State.WRONG, "dns.rival.spf", ("v=spf1 -all", "v=spf1 include:amazonses.com ~all")),
    "inbound-mx": (State.AT_RISK, "dns.absent", ()),
    "dmarc": (State.NOT_CHECKED, "dns.not_checked", ()),
    "apex-spf": (State.WAITING, "dns.absent", ()),
}
BROKEN = "harbour-books.example"


@dataclass(frozen=True)
class Showcase:
    people: dict[str, User]
    acme: Customer
    domains: dict[str, Domain]
    membership: Membership
    invitation: Invitation
    token: str


def make_showcase(sandbox: Sandbox) -> Showcase:
    alice = make_user("alice@acme.example", first_name="Alice", last_name="Archer")
    acme = create_customer(name="Acme and Daughters, Booksellers since 1871", owner=alice, actor=None)
    people = {
        "alice": alice,
        "mick": make_member(acme, role=MemberRole.MEMBER, email="mick@acme.example"),
        "nina": make_member(email="nina@new.example"),  # her customer has no domain
        "newcomer": make_user("newcomer@people.example"),  # of no customer
        "tessa": _with_second_step(make_member(acme, email="tessa@acme.example")),
        "sam": make_staff(Role.SUPPORT, email="sam@inbound-admin.example", first_name="Sam"),
        "adam": make_staff(Role.ADMIN, email="adam@inbound-admin.example", is_superuser=True),
    }
    for person in people.values():
        EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=person != people["mick"])
    invited = invite(
        customer=acme, email="carol@acme.example", role=MemberRole.MEMBER, actor=alice, site_url="https://here.example"
    )
    domains = _domains(acme, people)
    sandbox.control.add_zone("acme.com", ("ns1.pretend-dns.net", "ns2.pretend-dns.net"))
    sandbox.control.add_record("acme.com", "acme.com", "MX", "10 mail.acme.com.")
    sandbox.control.set_dns_fault("acme.com", "servfail", None)
    sandbox.control.add_zone("bookfair.com", ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com"))
    sandbox.control.add_record("bookfair.com", "bookfair.com", "MX", "1 aspmx.l.google.com.")
    _publish_with_a_mistake(sandbox, domains["broken"])
    sandbox.control.add_fault("slow", "sesv2:GetEmailIdentity", times=None, seconds=2)
    membership = acme.memberships.get(user=people["mick"])
    return Showcase(people, acme, domains, membership, invited.invitation, mailed_token(invited.invitation))


def make_ready(name: str, states: Mapping[str, tuple[State, str, tuple[str, ...]]], **fields: Any) -> Domain:
    """Create a domain that is set up. Records are verified unless `states` names another state."""
    fields = {"mail_from_label": "bounce", "ses_mail_from": f"bounce.{name}"} | fields
    domain = make_domain(
        name,
        stage=Stage.READY,
        verification_token="XeJH3TnYzYpDcO5mU3rN0tAXTW0c7h3Nn7vQ8w2b1kE=",
        dkim_tokens=TOKENS,
        dkim_zone="dkim.amazonses.com",
        identity_status="SUCCESS",
        dkim_status="PENDING" if states else "SUCCESS",
        mail_from_status="PENDING" if states else "SUCCESS",
        provider="Cloudflare",
        **fields,
    )
    judged = [_judged(record, *states.get(record.key, (State.VERIFIED, "", ()))) for record in domain.records]
    result = judge_domain(judge_aspects(judged, domain.ses_statuses), judged)
    now = timezone.now()
    domain.state = domain.known_state = result.state
    domain.summary, domain.last_dns_check, domain.next_check_at = result.sentence, now, now
    domain.verified_at = now if result.state is State.VERIFIED else None
    domain.save()
    RecordCheck.objects.bulk_create(_row(domain, judgement) for judgement in judged)
    return domain


def _domains(acme: Customer, people: dict[str, User]) -> dict[str, Domain]:
    claim = {"claim_token": "n0tGuessedByAnybody", "claim_reason": "records_answer", "region": "eu-west-1"}
    held = make_ready("held.acme.com", {}, customer=acme)
    overrides_services.hold(domain=held, because="The owner asked us on the phone to wait.", actor=people["sam"])
    overrides_services.write_note(domain=held, note="Ring Alice before this is released.", actor=people["sam"])
    return {
        "claim": make_domain("claimed.acme.com", customer=acme, stage=Stage.CLAIM, **claim),
        "starting": make_domain("starting.acme.com", customer=acme),
        "stuck": make_domain("stuck.acme.com", customer=acme, stage_problem=SILENT),
        "waiting": make_ready("waiting.acme.com", {"dkim-1": (State.WAITING, "dns.absent", ())}, customer=acme),
        "each": make_ready("each.acme.com", EACH_STATE, customer=acme, ses_problem=SILENT),
        "long": make_ready(LONG, EACH_STATE, customer=acme),
        "broken": make_ready(BROKEN, {"dkim-1": (State.WRONG, "dns.absent", ())}, customer=acme),
        "verified": make_ready("verified.acme.com", {}, customer=acme, verified_at=timezone.now()),
        "above": make_ready("acme.com", {}, customer=acme),
        "idn": make_ready("xn--bcher-kva.example", {"identity": (State.AT_RISK, "dns.absent", ())}, customer=acme),
        "deleting": make_domain("deleting.acme.com", customer=acme, stage=Stage.DELETING, stage_problem=SILENT),
        "held": Domain.objects.get(pk=held.pk),
    }


def _publish_with_a_mistake(sandbox: Sandbox, domain: Domain) -> None:
    """Publish all records, but one DKIM record with the domain twice in its name."""
    sandbox.control.add_zone(BROKEN, ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com"))
    sandbox.control.publish_missing(BROKEN, tuple(each for each in records_to_publish(domain) if each.key != "dkim-1"))
    key = next(record for record in domain.records if record.key == "dkim-1")
    sandbox.control.add_record(BROKEN, f"{key.name}.{BROKEN}", "CNAME", f"{key.value}.")


def _judged(record: Record, state: State, code: str, found: tuple[str, ...]) -> Judgement:
    return Judgement(record.key, record.need, state, found, code, sentences.describe(code, record, found))


def _row(domain: Domain, judged: Judgement) -> RecordCheck:
    return RecordCheck(
        domain=domain,
        key=judged.key,
        state=judged.state,
        found=list(judged.found),
        code=judged.code,
        sentence=judged.sentence,
        checked_at=timezone.now(),
    )


def _with_second_step(user: User) -> User:
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    return user
