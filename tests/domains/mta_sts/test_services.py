"""Policies fetched over HTTPS from the sandbox's web host: what is stored, shown and alerted, and what a failure
is.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from procrastinate.contrib.django.models import ProcrastinateJob

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.diagnosis import services as diagnosis_services
from domains.diagnosis.core.findings import as_reply
from domains.models.domains import Domain
from domains.mta_sts import services as mta_sts_services
from domains.mta_sts.core import PolicyEffect
from domains.receiving.core import ReceivingState
from domains.sharing import services as sharing_services
from domains.sharing.selectors import token_of
from notifications.models.alerts import Alert
from public_api.authentication import api as authentication_api
from sandbox.process import Sandbox
from sandbox.values import WEB_FAULTS
from tests.api_client import api_of, ok
from tests.domains.factories import mark_as_receiving, publish, set_up_domain
from tests.factories import make_member

pytestmark = pytest.mark.django_db
OURS = "inbound-smtp.eu-west-1.amazonaws.com"
ENFORCED = f"version: STSv1\nmode: enforce\nmx: {OURS}\nmax_age: 86400\n"
OTHERS = ENFORCED.replace(OURS, "aspmx.l.google.com")
FAILED_FETCHES = ("error", "silent", "cut")


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    """Return a domain with all records published, including the MTA-STS record."""
    domain = mark_as_receiving(set_up_domain(sandbox, "shop.com"))
    publish(sandbox, domain)
    sandbox.control.tick()
    return domain


def check(domain: Domain) -> Domain:
    """Check, and run the job that the check queues."""
    checking_services.check([domain], now=timezone.now())
    mta_sts_services.fetch_due(now=timezone.now())
    domain.refresh_from_db()
    return domain


def check_again(domain: Domain) -> Domain:
    Domain.objects.filter(pk=domain.pk).update(mta_sts_at=timezone.now() - mta_sts_services.EVERY)
    return check(domain)


def test_a_policy_that_names_our_host_is_enforced(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", ENFORCED)
    found = check(shop).mta_sts_check
    assert (found.effect, found.mode, found.mx, found.max_age, found.problem) == (
        PolicyEffect.ENFORCED,
        "enforce",
        (OURS,),
        86400,
        "",
    )


def test_a_check_queues_the_fetch_once_the_record_is_correct(sandbox: Sandbox, shop: Domain) -> None:
    checking_services.check([shop], now=timezone.now())
    checking_services.check([shop], now=timezone.now())
    assert ProcrastinateJob.objects.filter(task_name="domains.fetch_policies").count() == 1


def test_nothing_is_fetched_without_the_record(sandbox: Sandbox) -> None:
    sandbox.control.host_policy("shop.com", ENFORCED)
    domain = check(mark_as_receiving(set_up_domain(sandbox, "shop.com")))
    assert (domain.mta_sts, domain.mta_sts_at) == ({}, None)


def test_a_policy_with_any_bytes_is_stored_and_said(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", f"{ENFORCED}bad\x00line\n")
    found = check(shop).mta_sts_check
    assert found.effect is PolicyEffect.IGNORED
    assert r"The line “bad\000line” has no colon." in found.sentence


def test_a_policy_that_fails_unexpectedly_is_postponed_and_the_others_are_fetched(
    sandbox: Sandbox, shop: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = mark_as_receiving(set_up_domain(sandbox, "other.com"))
    publish(sandbox, other)
    for name in ("shop.com", "other.com"):
        sandbox.control.host_policy(name, ENFORCED)
    sandbox.control.tick()
    right = mta_sts_services._store

    def store(domain: Domain, *rest: Any) -> None:
        if domain.pk == shop.pk:
            raise ValueError
        right(domain, *rest)

    monkeypatch.setattr(mta_sts_services, "_store", store)
    checking_services.check([shop, other], now=timezone.now())
    mta_sts_services.fetch_due(now=timezone.now())
    shop.refresh_from_db()
    other.refresh_from_db()
    assert shop.mta_sts_check.problem == "The policy could not be checked."
    assert other.mta_sts_check.effect is PolicyEffect.ENFORCED


@pytest.mark.parametrize("fault", sorted(WEB_FAULTS))
def test_a_fault_of_the_web_host_is_ignored_or_keeps_the_known_effect(
    fault: str, sandbox: Sandbox, shop: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it answered, senders ignore the policy. If it didn't, the effect is unknown, and the known one stays."""
    monkeypatch.setattr(mta_sts_services, "SECONDS", 0.5)
    sandbox.control.host_policy("shop.com", ENFORCED)
    check(shop)
    sandbox.control.host_policy("shop.com", ENFORCED, fault)
    found = check_again(shop).mta_sts_check
    if fault in FAILED_FETCHES:
        assert (found.effect, bool(found.problem)) == (PolicyEffect.ENFORCED, True)
    else:
        assert (found.effect, found.problem) == (PolicyEffect.IGNORED, "")
        assert "Senders ignore MTA-STS" in found.sentence


def test_a_host_without_an_address_differs_from_a_failed_lookup(sandbox: Sandbox, shop: Domain) -> None:
    assert "has no address in DNS" in check(shop).mta_sts_check.sentence
    sandbox.control.set_dns_fault("mta-sts.shop.com", "servfail")
    found = check_again(shop).mta_sts_check
    assert "lookup of the policy's host failed" in found.problem
    assert "has no address in DNS" in found.sentence


def test_an_enforced_policy_without_our_host_opens_an_alert_that_ends(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    assert check(shop).mta_sts_check.loses_mail
    assert "doesn't list inbound-smtp" in open_alert().why
    sandbox.control.host_policy("shop.com", OTHERS, "error")
    check_again(shop)
    assert is_alerted()  # the fetch failed
    change_id(sandbox)
    sandbox.control.host_policy("shop.com", ENFORCED)
    check_again(shop)
    assert not is_alerted()


@pytest.mark.parametrize("host", ["", "mx.elsewhere.net"])
def test_a_policy_is_no_concern_where_support_recorded_that_mail_is_received_elsewhere(
    host: str, sandbox: Sandbox, shop: Domain
) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    exception = {"value": host, "because": "on request", "by": "Sam", "at": "2026-11-30T12:00:00+00:00"}
    Domain.objects.filter(pk=shop.pk).update(expectations={"inbound-mx": exception})
    domain = check_again(Domain.objects.get(pk=shop.pk))
    assert "mta-sts" not in {record.key for record in domain.records}
    assert (domain.mta_sts, domain.mta_sts_at) == ({}, None)
    assert not is_alerted()


def test_a_policy_that_senders_stored_blocks_mail_after_the_record_was_removed_until_its_age_is_over(
    sandbox: Sandbox, shop: Domain
) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    unannounce(sandbox)
    domain = check(shop)
    assert (domain.mta_sts, domain.mta_sts_at) == ({}, None)
    assert domain.receiving.state is ReceivingState.MTA_STS
    assert "they keep an MTA-STS policy without" in domain.receiving.sentence
    assert "Publish the TXT record _mta-sts.shop.com with a new id" in open_alert().why
    with time_machine.travel(timezone.now() + timedelta(seconds=86_401), tick=True):
        domain = check(shop)
    assert (domain.mta_sts_block, domain.receiving.state) == (None, ReceivingState.LIVE)
    assert not is_alerted()


def test_a_policy_that_was_corrected_under_the_same_id_blocks_mail_until_the_id_changes(
    sandbox: Sandbox, shop: Domain
) -> None:
    """A sender fetches a policy again only if the id changes (RFC 8461, 3.1)."""
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    sandbox.control.host_policy("shop.com", ENFORCED)
    domain = check_again(shop)
    assert domain.mta_sts_check.effect is PolicyEffect.ENFORCED
    assert domain.receiving.sentence.endswith(
        "Change the id in the TXT record _mta-sts.shop.com: then they read the policy again."
    )
    assert is_alerted()
    change_id(sandbox)
    domain = check_again(shop)
    assert (domain.mta_sts_block, domain.receiving.state) == (None, ReceivingState.LIVE)
    assert not is_alerted()


@pytest.mark.parametrize("policy", ["version: STSv1\nmode: none\nmax_age: 60\n", ENFORCED])
def test_a_policy_with_a_new_id_replaces_what_senders_stored(policy: str, sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    sandbox.control.host_policy("shop.com", policy)
    change_id(sandbox)
    assert check_again(shop).receiving.state is ReceivingState.LIVE


def test_the_policy_is_fetched_at_once_if_its_id_changes_while_it_blocks_mail(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    sandbox.control.host_policy("shop.com", ENFORCED)
    change_id(sandbox)
    assert check(shop).receiving.state is ReceivingState.LIVE


def test_a_stored_policy_counts_from_the_moment_when_it_was_seen_to_be_gone(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    later = timezone.now() + timedelta(hours=5)
    with time_machine.travel(later, tick=True):
        unannounce(sandbox)
        block = check(shop).mta_sts_block or {}
    assert datetime.fromisoformat(block["until"]) >= later + timedelta(seconds=86_400)


def test_a_block_that_the_version_before_did_not_store_says_what_to_do(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    right = check(shop).mta_sts_block or {}
    Domain.objects.filter(pk=shop.pk).update(mta_sts_block=None)
    checking_services.check([Domain.objects.get(pk=shop.pk)], now=timezone.now())  # the fetch follows
    block = Domain.objects.get(pk=shop.pk).mta_sts_block or {}
    assert (block["why"], block["step"]) == (right["why"], right["step"])
    assert datetime.fromisoformat(block["until"]) > timezone.now()


def test_every_place_says_that_a_policy_blocks_mail(sandbox: Sandbox, shop: Domain, client: Client) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    domain = check(shop)
    blocked = "Senders that follow MTA-STS don't deliver mail for shop.com"
    assert domain.state == State.WRONG
    assert domain.receiving_state == "mta_sts"
    assert domain.summary.startswith(blocked)
    client.force_login(make_member(shop.customer, email="alice@alice.com"))
    for url in (reverse("domains:list"), reverse("domains:detail", args=[shop.pk])):
        assert escape(blocked) in client.get(url).content.decode()
    api = ok(api_of(make_member(shop.customer, email="bob@alice.com")).get(f"/api/v2/domains/{shop.pk}"))
    found = api.get("data", api)
    assert found["receiving"] == "mta_sts"
    assert found["attention"].startswith(blocked)
    assert any(step.startswith(blocked) for step in authentication_api.next_steps(domain))
    assert blocked in as_reply(diagnosis_services.diagnose(domain, now=timezone.now()))
    link = sharing_services.create(domain=domain, actor=make_member(shop.customer, email="carol@alice.com"))
    assert escape(blocked) in Client().get(reverse("domains:shared", args=[token_of(link)])).content.decode()


def test_a_policy_that_lists_another_mail_service_alerts_nobody_while_the_mx_points_there(
    sandbox: Sandbox, shop: Domain
) -> None:
    (mx,) = [each for each in sandbox.control.records("shop.com") if (each.name, each.type) == ("shop.com", "MX")]
    sandbox.control.remove_record("shop.com", mx.id)
    sandbox.control.add_record("shop.com", "shop.com", "MX", "10 aspmx.l.google.com")
    sandbox.control.host_policy("shop.com", OTHERS)
    domain = check(shop)
    assert domain.receiving.state is ReceivingState.PUBLISH_MX
    assert "list its host in the MTA-STS policy" in domain.receiving.sentence
    assert not is_alerted()


def test_a_version_before_stored_no_block_and_its_alert_ends(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    Domain.objects.filter(pk=shop.pk).update(mta_sts_block=None)
    sandbox.control.host_policy("shop.com", ENFORCED)
    check_again(shop)
    assert not is_alerted()


def test_a_domain_that_does_not_receive_for_a_while_keeps_what_is_known_of_its_policy(
    sandbox: Sandbox, shop: Domain
) -> None:
    """The record isn't looked up then, which doesn't mean that it is gone."""
    sandbox.control.host_policy("shop.com", OTHERS)
    before = check(shop).mta_sts_block
    Domain.objects.filter(pk=shop.pk).update(mail_rules={})
    domain = check(Domain.objects.get(pk=shop.pk))
    assert "mta-sts" not in {record.key for record in domain.records}
    assert domain.mta_sts_block == before


def change_id(sandbox: Sandbox) -> None:
    unannounce(sandbox)
    sandbox.control.add_record("shop.com", "_mta-sts.shop.com", "TXT", "v=STSv1; id=2")


def unannounce(sandbox: Sandbox) -> None:
    (record,) = [each for each in sandbox.control.records("shop.com") if each.name == "_mta-sts.shop.com"]
    sandbox.control.remove_record("shop.com", record.id)


def open_alert() -> Alert:
    return Alert.objects.get(kind="domain.mta_sts", state="open")


def is_alerted() -> bool:
    return Alert.objects.filter(kind="domain.mta_sts", state="open").exists()


def test_a_failed_zone_lookup_keeps_the_known_effect(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", OTHERS)
    check(shop)
    sandbox.control.set_dns_fault("shop.com", "servfail")
    assert check(shop).mta_sts_check.loses_mail


def test_the_policy_is_fetched_again_only_after_the_interval(sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.host_policy("shop.com", ENFORCED)
    first = check(shop).mta_sts_at
    assert first is not None
    assert mta_sts_services.fetch_due(now=first + mta_sts_services.EVERY - timedelta(seconds=1)) == 0
    assert mta_sts_services.fetch_due(now=first + mta_sts_services.EVERY) == 1


def test_a_manual_check_shows_the_current_policy(sandbox: Sandbox, shop: Domain, client: Client) -> None:
    sandbox.control.host_policy("shop.com", ENFORCED)
    check(shop)
    sandbox.control.host_policy("shop.com", OTHERS)
    client.force_login(make_member(shop.customer, email="alice@alice.com"))
    Domain.objects.filter(pk=shop.pk).update(last_dns_check=None)
    client.post(reverse("domains:check", args=[shop.pk]))
    page = client.get(f"/domains/{shop.pk}/").content.decode()
    assert 'data-policy="loses_mail"' in page
    assert "Blocked by MTA-STS" in page
