"""The shared page for anyone with the link: what it shows, what it hides, and its limits."""

import logging
import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.checking import services as checking_services
from domains.models.domains import Domain
from domains.models.sharing import ShareLink
from domains.sharing import services as sharing_services
from domains.sharing import views as sharing_views
from domains.sharing.core import network_of
from domains.sharing.selectors import token_of
from inbound_admin.lib.logs import WithoutSecretPaths
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, records_to_publish, set_up_domain, zone_of
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
CLOUDFLARE = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme Secret Holdings")


@pytest.fixture
def alice(acme: Customer) -> User:
    return make_member(acme, email="alice@acme.example", first_name="Alice")


@pytest.fixture
def alice_client(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def domain(sandbox: Sandbox, acme: Customer) -> Domain:
    sandbox.control.add_zone("shop.com", CLOUDFLARE)
    return set_up_domain(sandbox, "shop.com", customer=acme)


@pytest.fixture
def link(domain: Domain, alice: User) -> ShareLink:
    return sharing_services.create(domain=domain, actor=alice, meant_for="Dave of DNS GmbH")


def address(link: ShareLink) -> str:
    return reverse("domains:shared", args=[token_of(link)])


def test_it_shows_the_open_records_in_the_terms_of_the_dns_host(link: ShareLink, domain: Domain) -> None:
    page = Client().get(address(link)).text
    for record in domain.records:
        assert record.value in page
        assert record.name.removesuffix(".shop.com") in page
    assert "Mail server" in page
    assert "grey cloud" in page
    assert re.search(r'<option value="cloudflare"[^>]* selected', page)


def test_the_reader_can_choose_another_dns_host(link: ShareLink) -> None:
    page = Client().get(address(link) + "?host=route53").text
    assert "Record name" in page
    assert "10 feedback-smtp.eu-west-1.amazonses.com" in page
    assert f'hx-get="{address(link)}?host=route53"' in page
    assert f'action="{address(link)}?host=route53"' in page


def test_it_names_the_sender_and_reveals_nothing_else_of_the_customer(link: ShareLink, alice_client: Client) -> None:
    for client in (Client(), alice_client):
        page = client.get(address(link)).text
        assert page.count("Alice at Acme Secret Holdings asks you to change DNS records of") == 1
        for secret in ("alice", "Dave", link.domain_id, 'href="/domains/"', "Sign in"):
            assert secret not in page


def test_a_link_of_staff_names_only_the_organisation(domain: Domain) -> None:
    sam = make_staff(Role.SUPPORT, first_name="Samantha")
    page = Client().get(address(sharing_services.create(domain=domain, actor=sam))).text
    assert ">Acme Secret Holdings asks you to change DNS records of" in page.replace('data-summary="">', ">")
    assert "Samantha" not in page


def test_records_to_add_and_to_edit_are_counted_separately(link: ShareLink, domain: Domain, sandbox: Sandbox) -> None:
    record = next(record for record in records_to_publish(domain) if record.key == "dkim-2")
    sandbox.control.make_mistake(zone_of(domain), record, "value.mistyped")
    page = Client().post(address(link), headers=HTMX).text
    assert "7 records to add and 1 to edit" in page


def test_the_dns_host_chosen_by_the_sender_is_in_the_link(
    link: ShareLink, alice_client: Client, domain: Domain
) -> None:
    alice_client.get(reverse("domains:detail", args=[domain.id]) + "?host=route53")
    shown = alice_client.get(reverse("domains:share", args=[domain.id])).text
    assert f"{address(link)}?host=route53" in shown


def test_the_dns_host_chosen_by_the_reader_is_kept(link: ShareLink) -> None:
    reader = Client()
    reader.get(address(link) + "?host=route53")
    assert re.search(r'<option value="route53"[^>]* selected', reader.get(address(link)).text)
    assert re.search(r'<option value="cloudflare"[^>]* selected', Client().get(address(link)).text)


def test_it_is_not_cached_or_indexed(link: ShareLink) -> None:
    answer = Client().get(address(link))
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "strict-origin"
    assert '<meta name="robots" content="noindex">' in answer.text


def test_it_stops_polling_when_all_required_records_are_found(
    link: ShareLink, domain: Domain, sandbox: Sandbox
) -> None:
    fresh = Client().get(address(link)).text
    assert "hx-trigger" in fresh
    assert "of 6" in fresh
    publish(sandbox, domain)
    swapped = Client().post(address(link), headers=HTMX)
    assert "<html" not in swapped.text
    assert "All required records found" in swapped.text
    assert "hx-trigger" not in swapped.text
    assert "I’ve added the records" not in swapped.text


def test_a_mistake_is_explained_with_steps_that_stay_while_polling(
    link: ShareLink, domain: Domain, sandbox: Sandbox
) -> None:
    publish(sandbox, domain)
    record = next(record for record in records_to_publish(domain) if record.key == "dkim-2")
    sandbox.control.make_mistake(zone_of(domain), record, "name.doubled_zone")
    page = Client().post(address(link), headers=HTMX).text
    todo = page.partition('id="todo-dkim-2"')[2].partition("<dl")[0]
    assert "shop.com.shop.com" in todo
    assert "<ol" in todo
    polled = Client().get(address(link), headers=HTMX).text
    assert polled.partition('id="todo-dkim-2"')[2].partition("<dl")[0] == todo


def test_the_explanation_ends_when_the_value_changes(link: ShareLink, domain: Domain, sandbox: Sandbox) -> None:
    publish(sandbox, domain)
    record = next(record for record in records_to_publish(domain) if record.key == "dkim-2")
    sandbox.control.make_mistake(zone_of(domain), record, "name.doubled_zone")
    Client().post(address(link), headers=HTMX)
    domain.record_checks.filter(key="dkim-2").update(found=["elsewhere.example"], sentence="It is elsewhere.")
    todo = Client().get(address(link)).text.partition('id="todo-dkim-2"')[2].partition("<dl")[0]
    assert "It is elsewhere." in todo
    assert "shop.com.shop.com" not in todo


def test_pressing_the_button_marks_the_records_as_added(link: ShareLink, domain: Domain) -> None:
    Client().post(address(link))
    domain.refresh_from_db()
    assert domain.said_added_at is not None


def test_without_javascript_the_button_redirects_to_the_page(link: ShareLink, sandbox: Sandbox) -> None:
    answer = Client().post(address(link) + "?host=route53", follow=True)
    assert answer.redirect_chain == [(f"{address(link)}?host=route53", 302)]
    assert "Checked just now." in answer.text


def test_a_second_press_says_that_it_was_just_checked(link: ShareLink, sandbox: Sandbox) -> None:
    client = Client()
    client.post(address(link))
    again = client.post(address(link), headers=HTMX)
    assert again.status_code == 200
    assert "We checked a few seconds ago" in again.text


def test_too_many_requests_are_429_for_a_minute(link: ShareLink, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setitem(sharing_views.RATES, "open", "3/m/key")
    answers = [Client().get(address(link)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1]["Retry-After"] == "60"
    assert "Please try again later" in answers[-1].text


def test_a_revoked_link_is_404_with_a_message(link: ShareLink, alice: User) -> None:
    sharing_services.revoke(link=link, actor=alice)
    for answer in (Client().get(address(link)), Client().post(address(link))):
        assert answer.status_code == 404
        assert "This link was revoked" in answer.text
        assert "shop.com" not in answer.text


def test_guessing_tokens_is_rate_limited(link: ShareLink) -> None:
    cache.clear()
    guesses = [Client().get(reverse("domains:shared", args=[f"guess{n}"])).status_code for n in range(31)]
    assert guesses == [404] * 30 + [429]
    assert Client().get(address(link)).status_code == 200


def test_a_visit_is_counted_and_a_poll_is_not(link: ShareLink, alice_client: Client) -> None:
    stranger = Client(headers={"User-Agent": "Mozilla/5.0 (iPhone; like Mac OS X) Version/19.0 Safari/604.1"})
    stranger.get(address(link))
    stranger.get(address(link), headers=HTMX)
    visit = link.visits.get()
    assert (visit.browser, visit.views, visit.checks) == ("Safari, iPhone", 1, 0)
    assert "Safari, iPhone" in alice_client.get(reverse("domains:share", args=[link.domain_id])).text


def test_a_claim_shows_its_challenge_record(sandbox: Sandbox, acme: Customer, alice: User) -> None:
    claim = make_domain("new.com", customer=acme, stage="claim", claim_token="n0tGuessed", claim_reason="rival")
    link = sharing_services.create(domain=claim, actor=alice)
    page = Client().get(address(link)).text
    assert "inbound-admin-claim=n0tGuessed" in page
    assert "0 of 1" in page


def test_a_domain_being_set_up_has_nothing_to_explain(sandbox: Sandbox, acme: Customer, alice: User) -> None:
    link = sharing_services.create(domain=make_domain("new.com", customer=acme), actor=alice)
    page = Client().post(address(link), headers=HTMX)
    assert page.status_code == 200
    assert "The records are being created" in page.text
    assert "hx-trigger" in page.text


def test_a_member_creates_and_revokes_a_link(alice_client: Client, domain: Domain) -> None:
    url = reverse("domains:share", args=[domain.id])
    assert "No links yet" in alice_client.get(url).text
    page = alice_client.post(url, {"meant_for": "Dave", "days": "7"}, follow=True).text
    link = domain.share_links.get()
    assert f"http://testserver{address(link)}" in page
    assert '<svg viewBox="0 0' in page
    revoked = alice_client.post(reverse("domains:share_revoke", args=[domain.id, link.id]), follow=True).text
    assert "Revoked" in revoked
    assert address(link) not in revoked


def test_many_links_are_shown_in_pages(alice_client: Client, domain: Domain, alice: User) -> None:
    for number in range(25):
        ShareLink.objects.update(expires_at=timezone.now() - timedelta(days=1))
        sharing_services.create(domain=domain, actor=alice, meant_for=f"Person {number:02}")
    path = reverse("domains:share", args=[domain.id])
    first, second = (alice_client.get(f"{path}?page={number}").text for number in (1, 2))
    shown = [[number for number in range(25) if f"Person {number:02}" in page] for page in (first, second)]
    assert [len(numbers) for numbers in shown] == [20, 5]
    assert sorted(shown[0] + shown[1]) == list(range(25))


def test_another_customers_link_cannot_be_revoked(alice_client: Client, domain: Domain) -> None:
    bobs = sharing_services.create(domain=make_domain("bob.com"), actor=make_member())
    url = reverse("domains:share_revoke", args=[domain.id, bobs.id])
    assert alice_client.post(url).status_code == 404
    bobs.refresh_from_db()
    assert bobs.revoked_at is None


def test_a_link_for_a_year_is_refused_with_the_reason(alice_client: Client, domain: Domain) -> None:
    refused = alice_client.post(reverse("domains:share", args=[domain.id]), {"days": "365"})
    assert refused.status_code == 422
    assert "The link wasn’t created" in refused.text


def test_the_token_of_a_link_is_masked_in_the_log(link: ShareLink) -> None:
    line = logging.LogRecord("django.request", logging.WARNING, "", 1, "%s: %s", ("Not Found", address(link)), None)
    assert WithoutSecretPaths().filter(line)
    assert line.getMessage() == "Not Found: /domains/shared/********/"


@pytest.mark.parametrize("kind", ["link", "address"])
def test_checks_run_one_at_a_time_per_link_and_address(
    link: ShareLink, kind: str, other_connection: "psycopg.Connection[Any]"
) -> None:
    name = f"link {link.pk}" if kind == "link" else f"address {network_of('127.0.0.1')}"
    other_connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"slow work {name} 1"])
    refused = Client().post(address(link))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    assert "Try again" in refused.text
    assert Client().get(address(link)).status_code == 200


def test_opening_a_link_an_hour_later_schedules_a_check(link: ShareLink, client: Client) -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    old = {"watched_from": hour_ago, "last_dns_check": hour_ago, "next_check_at": timezone.now() + timedelta(hours=1)}
    Domain.objects.filter(pk=link.domain_id).update(**old)
    page = client.get(address(link)).text
    domain = Domain.objects.get(pk=link.domain_id)
    assert domain.next_check_at is not None
    assert domain.next_check_at <= timezone.now()
    assert 'hx-trigger="every' in page


def progress_tone(page: str) -> str:
    return page.partition("<progress ")[0].rpartition('data-tone="')[2].partition('"')[0]


def check_all(sandbox: Sandbox, domain: Domain) -> None:
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=timezone.now())


def test_records_that_were_found_and_cannot_be_checked_are_not_all_found(
    link: ShareLink, domain: Domain, sandbox: Sandbox
) -> None:
    publish(sandbox, domain)
    check_all(sandbox, domain)
    assert progress_tone(Client().get(address(link)).text) == "good"
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    check_all(sandbox, domain)
    page = Client().get(address(link)).text
    assert progress_tone(page) == "mute"
    assert "All required records found" not in page
    assert "You can close this page" not in page
    assert "couldn’t be checked; last found" in page
    assert "found when last checked" in page
    assert "records to add" not in page
    assert "hx-trigger" in page


def test_a_missing_record_stays_missing_while_it_cannot_be_checked(
    link: ShareLink, domain: Domain, sandbox: Sandbox
) -> None:
    publish(sandbox, domain)
    lost = next(record for record in domain.records if record.key == "dkim-1")
    for held in sandbox.control.records(zone_of(domain)):
        if held.name == lost.name:
            sandbox.control.remove_record(zone_of(domain), held.id)
    check_all(sandbox, domain)
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    check_all(sandbox, domain)
    page = Client().get(address(link)).text
    assert "1 record to add" in page
    assert 'id="todo-dkim-1"' in page
    assert "All required records found" not in page


def test_records_that_were_never_checked_are_not_to_be_added_again(
    link: ShareLink, domain: Domain, sandbox: Sandbox
) -> None:
    publish(sandbox, domain)
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    check_all(sandbox, domain)
    page = Client().get(address(link)).text
    assert "to add" not in page
    assert re.search(r"We couldn’t check \d records", page)
    assert "may be published already" in page
    assert ">Add<" not in page


def test_the_challenge_of_a_claim_that_cannot_be_checked_is_not_to_be_added(
    sandbox: Sandbox, acme: Customer, alice: User
) -> None:
    sandbox.control.add_zone("new.com")
    claim = make_domain("new.com", customer=acme, stage="claim", claim_token="n0tGuessed", claim_reason="rival")
    link = sharing_services.create(domain=claim, actor=alice)
    sandbox.control.set_dns_fault("new.com", "servfail")
    page = Client().post(address(link), headers=HTMX).text
    assert "We couldn’t check 1 record." in page
    assert "1 record to add" not in page


def test_a_record_without_an_offered_value_is_listed_with_the_reason(
    link: ShareLink, domain: Domain, sandbox: Sandbox
) -> None:
    publish(sandbox, domain)
    sandbox.control.add_record(zone_of(domain), "shop.com", "TXT", "v=spf1 include:nothing.example.com ~all")
    check_all(sandbox, domain)
    page = Client().get(address(link)).text
    assert 'id="todo-apex-spf"' in page
    assert "data-withheld" in page
