"""Identities that were at Amazon before us: given to a customer, with nothing changed there."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.roles import Role
from audit.models import Change
from domains.adoption import services as adoption_services
from domains.adoption.services import AdoptionRequest, AdoptionStatus
from domains.domain_list import selectors as domain_list_selectors
from domains.identity import gateway as identity_gateway
from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_staff

pytestmark = pytest.mark.django_db


def at_amazon(*names: str) -> None:
    """Create identities in SES as another client."""
    for name in names:
        with aws.calling("sesv2", "create") as client:
            client.create_email_identity(EmailIdentity=name)


def writes(sandbox: Sandbox) -> int:
    return sum(call.write for call in sandbox.control.calls(2000))


def adopt(*names: str, **fields: object) -> tuple[adoption_services.AdoptionOutcome, ...]:
    wish = {"customer": make_customer("Alice Ltd"), "actor": make_staff(Role.OPERATOR), "because": "Contract 12"}
    return adoption_services.adopt(names=names, request=AdoptionRequest(**{**wish, **fields}))  # type: ignore[arg-type]  # by name


def test_what_amazon_has_becomes_the_domain_and_nothing_changes_there(sandbox: Sandbox) -> None:
    at_amazon("shop.example.com")
    with aws.calling("ses", "set") as client:
        client.set_identity_mail_from_domain(
            Identity="shop.example.com", MailFromDomain="mail.shop.example.com", BehaviorOnMXFailure="RejectMessage"
        )
    before = writes(sandbox)
    (outcome,) = adopt("shop.example.com")
    made = Domain.objects.get(pk=outcome.domain_id)
    assert outcome.status is AdoptionStatus.ADOPT
    assert (made.stage, made.adopted, len(made.dkim_tokens)) == (Stage.READY, True, 3)
    assert [r.value.partition(".")[2] for r in made.records if r.type == "CNAME"] == ["dkim.amazonses.com"] * 3
    assert (made.mail_from, made.ses_mail_from) == ("mail.shop.example.com", "mail.shop.example.com")
    assert made.on_mx_failure == made.ses_on_mx_failure == "RejectMessage"
    assert not made.is_configuring
    assert writes(sandbox) == before


def test_each_name_has_a_fate_of_its_own(sandbox: Sandbox) -> None:
    at_amazon("new.com", "bobs.com", "mine.com")
    alice = make_customer("Alice Ltd")
    make_domain("bobs.com")
    make_domain("mine.com", customer=alice)
    names = ("new.com", "bobs.com", "mine.com", "nowhere.com", "no domain")
    fates = [outcome.status for outcome in adopt(*names, customer=alice)]
    assert fates == [
        AdoptionStatus.ADOPT,
        AdoptionStatus.TAKEN,
        AdoptionStatus.THEIRS,
        AdoptionStatus.NOT_AT_AMAZON,
        AdoptionStatus.NO_DOMAIN,
    ]
    assert Domain.objects.get(name="bobs.com").customer != alice


def test_a_hundred_cost_three_calls(sandbox: Sandbox) -> None:
    names = [f"d{number}.com" for number in range(100)]
    at_amazon(*names)
    sandbox.control.clear_calls()
    assert {outcome.status for outcome in adopt(*names)} == {AdoptionStatus.ADOPT}
    assert sum(sandbox.control.call_counts().values()) == 3


def test_doing_it_again_after_a_failure_goes_on_from_there(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_gateway, "BATCH", 1)
    at_amazon("a.com", "b.com")
    alice = make_customer("Alice Ltd")
    sandbox.control.add_fault("error", "GetIdentityDkimAttributes", nth=2, times=9)
    with pytest.raises(AwsProblem):
        adopt("a.com", "b.com", customer=alice)
    sandbox.control.clear_faults()
    assert [outcome.status for outcome in adopt("a.com", "b.com", customer=alice)] == [
        AdoptionStatus.THEIRS,
        AdoptionStatus.ADOPT,
    ]


def test_who_may_not_and_who_gives_no_reason_are_refused(sandbox: Sandbox) -> None:
    at_amazon("a.com")
    with pytest.raises(Refused, match="operators"):
        adopt("a.com", actor=make_staff(Role.SUPPORT))
    with pytest.raises(Refused, match="Enter the reason"):
        adopt("a.com", because=" ")
    assert not Domain.objects.exists()


def test_each_domain_leaves_one_change_with_the_reason(sandbox: Sandbox) -> None:
    at_amazon("a.com", "b.com")
    adopt("a.com", "b.com", bulk_id="chg_1")
    rows = Change.objects.filter(what="domain.adopted")
    assert {(row.object_name, row.because, row.bulk_id) for row in rows} == {
        ("a.com", "Contract 12", "chg_1"),
        ("b.com", "Contract 12", "chg_1"),
    }


def test_a_customers_own_claim_becomes_the_adopted_domain(sandbox: Sandbox) -> None:
    at_amazon("a.com")
    alice = make_customer("Alice Ltd")
    make_domain("a.com", customer=alice, stage=Stage.CLAIM)
    (outcome,) = adopt("a.com", customer=alice)
    assert Domain.objects.get(name="a.com").pk == outcome.domain_id


def test_a_worker_whose_clock_is_a_day_ahead_does_not_put_off_the_first_look(sandbox: Sandbox) -> None:
    at_amazon("shop.com")
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=True):
        adopt("shop.com")
    due = domain_list_selectors.domains_due(timezone.now() + timedelta(minutes=1))
    assert [domain.name for domain in due] == ["shop.com"]
    assert due[0].last_ses_check is not None
    assert due[0].last_ses_check <= timezone.now()
