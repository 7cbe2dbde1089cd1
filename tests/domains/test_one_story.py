"""Records page, share page, mailed records, exports, case reply and diagnosis say the same about a record."""

import pytest
from django.core.cache import cache
from django.utils import timezone

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.deletion import services as deletion_services
from domains.diagnosis import services as diagnosis_services
from domains.models.domains import Domain
from domains.preflight import services as preflight_services
from domains.records.core import Need, RecordAction, action_of
from domains.records.selectors import RecordRow, RecordsPage, records_page
from domains.sharing.core import actions_summary
from domains.sharing.selectors import shared_page
from inbound_admin.lib.errors import Refused
from operations.dashboard.selectors import case_facts
from sandbox.process import Sandbox
from tests.domains.factories import (
    mark_as_proven,
    mark_as_receiving,
    publish,
    records_to_publish,
    set_up_domain,
    zone_of,
)
from tests.factories import make_customer

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])]


def with_mistake(sandbox: Sandbox, key: str, code: str, name: str = "shop.firma.com") -> Domain:
    """Return a checked domain with all records published, one of them with the mistake."""
    cache.clear()
    domain = set_up_domain(sandbox, name)
    publish(sandbox, domain)
    record = next(each for each in records_to_publish(domain) if each.key == key)
    sandbox.control.make_mistake(zone_of(domain), record, code)
    checking_services.check([domain], now=timezone.now())
    return Domain.objects.get(pk=domain.pk)


def page_of(domain: Domain) -> RecordsPage:
    return records_page(Domain.objects.get(pk=domain.pk), can_check_in=0)


def row_of(domain: Domain, key: str) -> RecordRow:
    return next(row for group in page_of(domain).groups for row in group.rows if row.record.key == key)


@pytest.mark.parametrize(
    ("code", "action"), [("name.wrong_parent", RecordAction.EDIT), ("name.swapped", RecordAction.REPLACE)]
)
def test_the_finding_of_the_diagnosis_is_shown_on_every_page(sandbox: Sandbox, code: str, action: RecordAction) -> None:
    domain = with_mistake(sandbox, "dkim-2", code)
    before = row_of(domain, "dkim-2")
    assert "Add" not in before.reason
    assert f"wasn't found at {before.record.name}" in before.reason
    (finding,) = (
        found
        for found in diagnosis_services.diagnose(domain, now=timezone.now()).findings
        if found.record_key == "dkim-2"
    )
    assert row_of(domain, "dkim-2").reason == " ".join((finding.verdict, *finding.steps))
    (todo,) = (each for each in shared_page(domain, page_of(domain)).todo if each.record.key == "dkim-2")
    assert todo.action is action
    assert finding.verdict in next(f.sentence for f in case_facts(domain).to_fix if f.label == "DKIM record 2")


def test_a_fixed_record_no_longer_shows_the_finding(sandbox: Sandbox) -> None:
    domain = with_mistake(sandbox, "dkim-2", "name.wrong_parent")
    diagnosis_services.diagnose(domain, now=timezone.now())
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    assert row_of(domain, "dkim-2").finding is None


def test_a_record_of_the_wrong_type_shows_both_types(sandbox: Sandbox) -> None:
    row = row_of(with_mistake(sandbox, "dkim-1", "type.cname_as_txt"), "dkim-1")
    assert (row.expected, row.found) == (f"CNAME {row.record.value}", (f"TXT {row.record.value}",))
    assert action_of(row.code, row.found) is RecordAction.REPLACE
    assert actions_summary([RecordAction.ADD, RecordAction.REPLACE]) == "1 record to add and 1 to replace"


def test_an_inherited_policy_is_not_to_be_published(sandbox: Sandbox) -> None:
    domain = with_mistake(sandbox, "dkim-1", "value.cut")
    zone = zone_of(domain)
    sandbox.control.add_record(zone, f"_dmarc.{zone}", "TXT", "v=DMARC1; p=reject")
    for held in sandbox.control.records(zone):
        if held.name == f"_dmarc.{domain.name}":
            sandbox.control.remove_record(zone, held.id)
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=timezone.now())
    assert row_of(domain, "dmarc").is_inherited
    assert "dmarc" not in {row.record.key for row in page_of(domain).to_publish}
    assert "_dmarc" not in page_of(domain).copy_text


def test_the_spf_record_of_the_apex_is_recommended(sandbox: Sandbox) -> None:
    row = row_of(with_mistake(sandbox, "dkim-1", "value.cut"), "apex-spf")
    assert row.record.need is Need.RECOMMENDED


def test_the_inbound_mx_comes_last_in_the_diagnosis(sandbox: Sandbox) -> None:
    domain = with_mistake(sandbox, "dkim-1", "value.cut")
    found = diagnosis_services.gather(mark_as_receiving(domain), now=timezone.now()).diagnosis()
    assert [finding.record_key for finding in found.findings if finding.stops] == ["dkim-1", "inbound-mx"]


def test_a_policy_of_the_parent_is_not_the_domains_own_record(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.firma.com")
    zone = zone_of(domain)
    held = sandbox.control.add_record(zone, f"_dmarc.{zone}", "TXT", "v=DMARC1; p=reject")
    checking_services.check([domain], now=timezone.now())
    assert row_of(domain, "dmarc").state is State.VERIFIED
    assert domain.record_checks.get(key="dmarc").verified_at is None
    sandbox.control.remove_record(zone, held.id)
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=timezone.now())
    assert row_of(domain, "dmarc").state is not State.AT_RISK


def test_the_deletion_lists_only_published_records(sandbox: Sandbox) -> None:
    nothing = set_up_domain(sandbox, "empty.com")
    checking_services.check([nothing], now=timezone.now())
    assert deletion_services.consequences(Domain.objects.get(pk=nothing.pk)).records == ()
    domain = set_up_domain(sandbox, "firma.com")
    sandbox.control.add_record("firma.com", "firma.com", "TXT", "v=spf1 mx include:amazonses.com ~all")
    checking_services.check([domain], now=timezone.now())
    (left,) = deletion_services.consequences(Domain.objects.get(pk=domain.pk)).records
    assert (left.name, left.value, left.part) == (
        "firma.com",
        "v=spf1 mx include:amazonses.com ~all",
        "include:amazonses.com",
    )


def test_the_deletion_lists_a_record_whose_lookup_failed_since(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    before = deletion_services.consequences(Domain.objects.get(pk=domain.pk)).records
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=timezone.now())
    assert row_of(domain, "dkim-1").is_unchecked
    assert deletion_services.consequences(Domain.objects.get(pk=domain.pk)).records == before != ()


def test_the_preflight_says_when_ownership_must_be_proven(sandbox: Sandbox) -> None:
    above = mark_as_proven(set_up_domain(sandbox, "firma.com"))
    assert preflight_services.run_preflight(text="shop.firma.com", customer=make_customer()).must_prove
    assert not preflight_services.run_preflight(text="shop.firma.com", customer=above.customer).must_prove


@pytest.mark.parametrize("text", ["gmail.com", "nora@gmail.com", "mail.yahoo.com"])
def test_the_domain_of_a_mail_provider_is_refused(sandbox: Sandbox, text: str) -> None:
    with pytest.raises(Refused, match="mail provider's domain"):
        preflight_services.run_preflight(text=text, customer=make_customer())


def test_a_check_that_is_due_now_is_not_announced(sandbox: Sandbox) -> None:
    domain = with_mistake(sandbox, "dkim-1", "value.cut")
    assert page_of(domain).next_check is not None
    Domain.objects.filter(pk=domain.pk).update(next_check_at=timezone.now())
    assert page_of(domain).next_check is None
