"""Overrides in Django admin: through services, with a result per row, within each role's permissions."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_staff

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
LIST = reverse("admin:domains_domain_changelist")


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def act(client: Client, action: str, *domains: Domain, **fields: str) -> str:
    data = {"action": action, "_selected_action": [domain.pk for domain in domains], **fields}
    return client.post(LIST, data, follow=True).text


def test_hold_reports_the_result_for_each_row() -> None:
    first, second = make_domain("a.com"), make_domain("b.com", held_at="2026-01-01T00:00Z")
    result = act(signed_in(Role.SUPPORT), "hold", first, second, because="Under review")
    assert "Done: a.com" in result
    assert "b.com has been on hold since" in result
    first.refresh_from_db()
    assert first.held_because == "Under review"
    assert Change.objects.filter(what="domain.held").count() == 1


def test_a_hold_without_a_reason_is_refused() -> None:
    domain = make_domain()
    assert "Enter the reason for the hold" in act(signed_in(Role.SUPPORT), "hold", domain)
    domain.refresh_from_db()
    assert not domain.is_held


def test_an_invalid_end_date_holds_nothing() -> None:
    domain = make_domain()
    result = act(signed_in(Role.SUPPORT), "hold", domain, because="Review", until="next week")
    assert "Until: Enter a valid date" in result
    domain.refresh_from_db()
    assert not domain.is_held


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shown_as": "evil"}, "Override as: Select a valid choice"),
        ({"because": "x" * 2001}, "Reason: Ensure this value has at most 2,?000 characters"),
        ({"customer": "cus_gone"}, "Transfer to: Select a valid choice|Transfer to: No customer has this name or ID"),
    ],
)
def test_an_invalid_field_beside_the_action_is_named(fields: dict[str, str], said: str) -> None:
    domain = make_domain()
    page = act(signed_in(Role.SUPPORT), "hold", domain, **{"because": "Review", **fields})
    assert re.search(said, page)
    assert "No action selected" not in page
    domain.refresh_from_db()
    assert not domain.is_held


def test_a_bulk_transfer_is_confirmed_and_has_one_id() -> None:
    to = make_customer("Bob Ltd")
    domains = [make_domain(), make_domain()]
    client, form = signed_in(Role.ADMIN), {"customer": to.pk, "because": "They bought it"}
    warned = act(client, "transfer", *domains, **form)
    assert "Addresses and catch-alls move with a domain" in warned
    assert all(f'name="_selected_action" value="{domain.pk}"' in warned for domain in domains)
    assert not Domain.objects.filter(customer=to).exists()
    assert warned.count("Done: ") == 0
    act(client, "transfer", *domains, **form, confirmed="yes")
    assert set(Domain.objects.values_list("customer_id", flat=True)) == {to.pk}
    changes = Change.objects.filter(what="domain.transferred")
    assert len(changes) == 2
    assert len({change.bulk_id for change in changes}) == 1


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.TRUST_AND_SAFETY])
def test_a_role_without_the_permission_cannot_transfer(role: Role) -> None:
    domain, client = make_domain(customer=make_customer("Alice Ltd")), signed_in(role)
    assert "Transfer to another customer" not in client.get(LIST).text.split("</form>")[0].split('name="because"')[0]
    act(client, "transfer", domain, customer=make_customer("Bob Ltd").pk, because="x")
    domain.refresh_from_db()
    assert domain.customer.name == "Alice Ltd"


def test_new_keys_are_confirmed_and_a_check_is_requested_once() -> None:
    domain, client = make_domain(stage="ready"), signed_in(Role.SUPPORT)
    assert "Its mail is unsigned until SES finds them" in act(client, "new_dkim", domain, because="The key leaked")
    assert "Done: " in act(client, "new_dkim", domain, because="The key leaked", confirmed="yes")
    assert "Done: " in act(client, "check_again", domain)
    domain.refresh_from_db()
    assert domain.new_dkim_wanted
    assert Change.objects.filter(what="domain.check_forced").count() == 1


def test_the_ses_status_cannot_be_edited() -> None:
    domain, client = make_domain(identity_status="PENDING"), signed_in(Role.ADMIN)
    url = reverse("admin:domains_domain_change", args=[quote(domain.pk)])
    page = client.get(url)
    assert page.status_code == 200
    assert 'name="identity_status"' not in page.text
    assert client.post(url, {"identity_status": "SUCCESS"}).status_code == 403
    domain.refresh_from_db()
    assert domain.identity_status == "PENDING"


def test_a_domain_cannot_be_added_or_deleted() -> None:
    domain, client = make_domain(), signed_in(Role.ADMIN)
    assert client.get(reverse("admin:domains_domain_add")).status_code == 403
    assert (
        client.post(reverse("admin:domains_domain_delete", args=[quote(domain.pk)]), {"post": "yes"}).status_code == 403
    )
    assert Domain.objects.exists()


def test_each_role_can_override_states_or_set_expectations_as_permitted() -> None:
    domain, held = make_domain("a.com", stage="ready"), make_domain("b.com", stage="claim")
    olga, sam = signed_in(Role.OPERATOR), signed_in(Role.SUPPORT)
    until = f"{timezone.now() + DAY:%Y-%m-%d %H:%M}"
    given = {"because": "They move on Monday", "shown_as": "verified", "until": until}
    result = act(olga, "override_state", domain, held, **given)
    assert "Done: a.com" in result
    assert "b.com isn&#x27;t set up yet" in result
    assert "verified, until" in olga.get(LIST).text
    act(sam, "end_override", domain)
    domain.refresh_from_db()
    assert domain.is_overridden
    assert "Done: a.com" in act(olga, "end_override", domain)
    assert "Done: a.com" in act(
        sam, "expect", domain, record="inbound-mx", host="aspmx.l.google.com", because="Stays with Google"
    )
    domain.refresh_from_db()
    assert domain.expectations["inbound-mx"]["value"] == "aspmx.l.google.com"
    assert "aspmx.l.google.com" in sam.get(LIST).text
    assert "Done: a.com" in act(sam, "expect_no_more", domain, record="inbound-mx")
    verbs = Change.objects.order_by("id").values_list("what", flat=True)
    assert list(verbs) == [
        "domain.state_overridden",
        "domain.override_ended",
        "domain.expectation",
        "domain.expectation",
    ]


def test_the_change_log_is_read_only() -> None:
    act(signed_in(Role.SUPPORT), "hold", make_domain(), because="x")
    change, client = Change.objects.get(), signed_in(Role.ADMIN)
    url = reverse("admin:audit_change_change", args=[change.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"because": "another"}).status_code == 403
    assert client.post(reverse("admin:audit_change_delete", args=[change.pk]), {"post": "yes"}).status_code == 403
    assert client.get(reverse("admin:audit_change_add")).status_code == 403
