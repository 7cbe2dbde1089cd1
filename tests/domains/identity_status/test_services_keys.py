"""DKIM keys of identities: their zone, their origin, and that keys of replicas are never rotated here."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from audit.models import Change
from domains.adoption import services as adoption_services
from domains.adoption.services import AdoptionRequest
from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.identity import gateway as identity_gateway
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain
from domains.records.core import USUAL_ZONE
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from sandbox.aws.state import WORLD, regions
from sandbox.process import Sandbox
from tests.domains.factories import make_zone, records_to_publish, set_identity_status, set_up_domain
from tests.factories import make_customer, make_staff

pytestmark = pytest.mark.django_db


def adopt(*names: str) -> list[Domain]:
    request = AdoptionRequest(make_customer("Alice Ltd"), make_staff(Role.OPERATOR), "Contract 12")
    adoption_services.adopt(names=names, request=request)
    return [Domain.objects.get(name=name) for name in names]


def create_replica(name: str) -> None:
    with aws.calling("sesv2", "create") as client:
        client.create_email_identity(
            EmailIdentity=name, DkimSigningAttributes={"DomainSigningAttributesOrigin": "AWS_SES_EU_SOUTH_1"}
        )


def dkim_values(domain: Domain) -> list[str]:
    return [record.value for record in domain.records if record.type == "CNAME"]


def check_domain(domain: Domain) -> Domain:
    Domain.objects.update(last_dns_check=None)
    checking_services.check_now(domain=Domain.objects.get(pk=domain.pk))
    return Domain.objects.get(pk=domain.pk)


def test_a_replica_has_its_parents_dkim_zone_and_other_domains_their_own(sandbox: Sandbox) -> None:
    create_replica("replica.com")
    for name in ("a.com", "b.com", "c.com", "d.com"):
        with aws.calling("sesv2", "create") as client:
            client.create_email_identity(EmailIdentity=name)
    found = adopt("replica.com", "a.com", "b.com", "c.com", "d.com")
    for domain in found:
        make_zone(sandbox, domain)
    checking_services.check(found, now=WORLD.clock.now())
    theirs, *others = [Domain.objects.get(pk=domain.pk) for domain in found]
    assert theirs.dkim_origin == "AWS_SES_EU_SOUTH_1"
    assert {value.partition(".")[2] for value in dkim_values(theirs)} == {"dkim.eu-south-1.amazonses.com"}
    assert {value.partition(".")[2] for other in others for value in dkim_values(other)} == {"dkim.amazonses.com"}
    sandbox.control.publish_missing(make_zone(sandbox, theirs), records_to_publish(theirs))
    sandbox.control.tick()
    assert check_domain(theirs).state == State.VERIFIED


def test_new_keys_of_a_hundred_thousand_domains_are_noticed_within_three_hours() -> None:
    each_time = identity_status_services.KEY_CALLS_EACH_TIME * identity_gateway.BATCH
    assert 100_000 / each_time * identity_status_services.WATCH_SECONDS <= 3 * 60 * 60


def test_dkim_keys_of_a_replica_are_not_rotated_here(sandbox: Sandbox, client: Client) -> None:
    create_replica("replica.com")
    (domain,) = adopt("replica.com")
    make_zone(sandbox, domain)
    domain, olga = check_domain(domain), make_staff(Role.OPERATOR)
    with pytest.raises(Refused, match="keys of its identity in eu-south-1"):
        settings_services.rotate_dkim(domain=domain, actor=olga, because="The key leaked")
    client.force_login(olga)
    page = client.get(reverse("domains:settings", args=[domain.pk])).text
    assert "Rotate the keys in that region." in page
    assert "Rotate 3 DKIM keys" not in page


def test_a_replica_not_yet_known_as_one_keeps_its_keys(sandbox: Sandbox) -> None:
    create_replica("replica.com")
    (domain,) = adopt("replica.com")
    settings_services.rotate_dkim(domain=domain, actor=make_staff(Role.OPERATOR), because="The key leaked")
    sandbox.control.clear_calls()
    settings_services.apply_settings(domain_id=domain.pk)
    domain.refresh_from_db()
    assert "PutEmailIdentityDkimSigningAttributes" not in sandbox.control.call_counts()
    assert (domain.new_dkim_wanted, domain.dkim_origin) == (False, "AWS_SES_EU_SOUTH_1")
    assert identity_gateway.get_identity("replica.com").is_replica


def test_failed_dkim_of_a_replica_is_not_restarted(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    with WORLD.lock:
        for _, state in regions():
            if identity := state.identities.get("shop.com"):
                identity.origin = "AWS_SES_EU_SOUTH_1"
    set_identity_status("shop.com", dkim="Failed", ownership="Failed")
    domain = check_domain(domain)
    settings_services.restart_verification(domain=domain, actor=make_staff(Role.OPERATOR))
    sandbox.control.clear_calls()
    identity_services.set_up(domain_id=domain.pk)
    assert "VerifyDomainDkim" not in sandbox.control.call_counts()


@pytest.mark.parametrize("others", [0, 5])
def test_new_keys_of_the_parent_are_shown_and_logged(sandbox: Sandbox, others: int) -> None:
    """SES rotated them, or somebody in its console: the published records no longer sign."""
    domain = set_up_domain(sandbox, "shop.com")
    rest = [set_up_domain(sandbox) for _ in range(others)]
    old = dkim_values(domain)
    with WORLD.lock:
        for _, state in regions():
            if identity := state.identities.get("shop.com"):
                identity.origin, identity.key_generation = "AWS_SES_EU_SOUTH_1", 1
    checking_services.check([domain, *rest], now=WORLD.clock.now())
    domain = Domain.objects.get(pk=domain.pk)
    assert not set(dkim_values(domain)) & set(old)
    assert dkim_values(domain)[0].endswith(".dkim.eu-south-1.amazonses.com")
    assert Change.objects.get(what="domain.new_dkim").actor_name == "AWS"


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_an_unknown_dkim_zone_leaves_no_record_out(sandbox: Sandbox, answer: str) -> None:
    sandbox.control.set_beliefs(hosted_zone=answer)
    domain = set_up_domain(sandbox, "shop.com")
    records = [record for record in domain.records if record.type == "CNAME"]
    note = "" if answer == "yes" else USUAL_ZONE.format(region=domain.region)
    assert [record.note for record in records] == [note] * 3
    assert {record.value.partition(".")[2] for record in records} == {"dkim.amazonses.com"}
    sandbox.control.publish_missing(make_zone(sandbox, domain), records_to_publish(domain))
    sandbox.control.tick()
    assert check_domain(domain).state == State.VERIFIED
