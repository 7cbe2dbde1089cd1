"""The API of a domain beyond the published contract: diagnosis, DNS history, exports, share links."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Change
from domains.exports.core.formats import FORMATS
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused
from tests.domains.factories import make_zone, publish
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return make_verified("shop.com", customer=make_customer("Alice Ltd"))


@pytest.fixture
def alice(domain: Domain) -> Api:
    return api_of(make_member(domain.customer))


def test_a_diagnosis_names_the_first_break_and_the_steps(alice: Api, domain: Domain, sandbox: Sandbox) -> None:
    found = ok(alice.get(f"/api/v2/domains/{domain.pk}/diagnosis"))
    assert (found["isRight"], found["finding"]["link"], found["links"][0]["state"]) == (False, "exists", "broken")
    assert found["finding"]["steps"]
    assert found["reply"].startswith("shop.com")
    assert found["asked"] > 0


def test_a_diagnosis_of_published_records_says_that_they_are_correct(
    alice: Api, domain: Domain, sandbox: Sandbox
) -> None:
    make_zone(sandbox, domain)
    publish(sandbox, domain)
    found = ok(alice.get(f"/api/v2/domains/{domain.pk}/diagnosis"))
    assert all(record["isRight"] for record in found["records"])
    assert {lane["key"] for lane in found["lanes"]} == {"host", "internet", "amazon"}


def test_the_dns_history_is_newest_first_and_can_be_filtered(alice: Api, domain: Domain) -> None:
    now = timezone.now()
    for hours, values in ((5, ["10 old."]), (1, ["10 new."])):
        ObservedAnswer.objects.create(
            domain=domain,
            name="shop.com",
            type="MX",
            resolver="1.1.1.1",
            status="found",
            values=values,
            since=now - timedelta(hours=hours),
            until=None if hours == 1 else now - timedelta(hours=1),
        )
    address = f"/api/v2/domains/{domain.pk}/dns-history"
    assert [row["values"] for row in ok(alice.get(address))["data"]] == [["10 new."], ["10 old."]]
    assert len(ok(alice.get(address, name="SHOP.com.", type="mx"))["data"]) == 2
    assert ok(alice.get(address, type="TXT"))["data"] == []


@pytest.mark.parametrize("key", [kind.key for kind in FORMATS])
def test_the_records_are_exported_in_every_format(alice: Api, domain: Domain, key: str) -> None:
    address = f"/api/v2/domains/{domain.pk}/exports"
    assert key in {each["key"] for each in ok(alice.get(address))["data"]}
    done = ok(alice.get(f"{address}/{key}"))
    assert done["fileName"].startswith("shop.com.")
    assert "amazonses" in done["text"]


def test_an_export_says_what_it_replaces_and_what_could_not_be_checked(alice: Api, domain: Domain) -> None:
    found = {"found": ["v=spf1 include:other.example ~all"], "code": "dns.value.spf_without_amazon"}
    policies = {"spf": {"shop.com": found["found"]}, "inside": {"other.example": ["v=spf1 ip4:192.0.2.1 ~all"]}}
    Domain.objects.filter(pk=domain.pk).update(policies=policies)
    now = timezone.now()
    domain.record_checks.all().delete()
    domain.record_checks.create(key="apex-spf", state="wrong", sentence="It must change.", checked_at=now, **found)
    domain.record_checks.create(key="dmarc", state="could_not_check", sentence="Not checked.", checked_at=now)
    done = ok(alice.get(f"/api/v2/domains/{domain.pk}/exports/zone"))
    (existing,) = done["existing"]
    assert existing == {"type": "TXT", "name": "shop.com", "values": found["found"]}
    assert "; TXT shop.com replaces what is published now, so delete this: v=spf1 include:other.example" in done["text"]
    assert [each["name"] for each in done["withheld"]] == ["_dmarc.shop.com"]
    assert done["unchecked"] == 1


def test_an_unknown_format_is_404(alice: Api, domain: Domain) -> None:
    refused(alice.get(f"/api/v2/domains/{domain.pk}/exports/punch-card"), 404, "NOT_FOUND")


def test_a_share_link_opens_the_page_until_it_is_revoked(alice: Api, domain: Domain) -> None:
    address = f"/api/v2/domains/{domain.pk}/share-links"
    made = ok(alice.post(address, {"meantFor": "IT", "days": 3}), 201)
    assert Client().get(made["url"]).status_code == 200
    assert [row["visits"][0]["views"] for row in ok(alice.get(address))["data"]] == [1]
    assert ok(alice.delete(f"{address}/{made['id']}"))["state"] == "revoked"
    assert Client().get(made["url"]).status_code == 404
    assert ok(alice.delete(f"{address}/{made['id']}"))["state"] == "revoked"
    assert Change.objects.filter(what="domain.share_revoked").count() == 1
    assert alice.post(address, {"days": 91}).status_code == 400
