"""What middleware does with every request."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from operations.models import LegacyImport
from tests.domains.factories import make_domain
from tests.factories import make_member, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client: Client) -> Client:
    client.force_login(make_member())
    return client


def test_a_partial_request_after_the_session_ended_redirects_the_whole_page(client: Client) -> None:
    domain = make_domain()
    url = reverse("domains:detail", args=[domain.id])
    answer = client.get(url, headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{url}?show=todo"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["HX-Redirect"] == f"{reverse('account_login')}?next={url.replace('/', '%2F')}"


@pytest.mark.parametrize("path", ["/domains/dom_%00/", "/domains/dom_%00/history/", "/customers/cus_%00/", "/%00"])
def test_a_nul_in_the_path_is_404(alice: Client, path: str) -> None:
    assert alice.get(path).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_form_sent_after_the_session_ended_says_that_nothing_was_saved(
    client: Client, headers: dict[str, str]
) -> None:
    path = reverse("domains:add")
    redirect = client.post(path, {"name": "shop.com"}, headers=headers)
    sign_in = client.get(redirect.headers.get("HX-Redirect") or redirect["Location"]).text
    assert "You were signed out, so nothing was saved." in sign_in
    redirect = client.get(path, headers=headers)
    assert "nothing was saved" not in client.get(redirect.headers.get("HX-Redirect") or redirect["Location"]).text


def test_a_poll_after_the_session_ended_leads_to_a_sign_in_that_keeps_the_input(client: Client) -> None:
    domain = make_domain()
    polled = client.get(reverse("receipt_rules:domain", args=[domain.id]), headers={"HX-Request": "true"})
    sign_in = client.get(polled.headers["HX-Redirect"]).text
    assert "You were signed out. Sign in to continue." in sign_in
    assert "data-signed-out" in sign_in


@pytest.mark.parametrize("nul", ["%00", "x%00", "%0%000"])
def test_a_nul_in_the_query_string_is_no_error(client: Client, nul: str) -> None:
    client.force_login(make_staff(Role.OPERATOR))
    moving = LegacyImport.objects.create(region=settings.AWS_REGION)
    for url in (
        reverse("operations:legacy_import_rows", args=[moving.pk]) + f"?kind={nul}&fate={nul}",
        reverse("operations:legacy_import_outcomes", args=[moving.pk]) + f"?kind={nul}",
        reverse("operations:start_bulk") + f"?do=pause&domain={nul}",
    ):
        assert client.get(url).status_code in (200, 302)


def test_a_get_of_a_post_only_view_redirects_to_the_page_with_the_button(alice: Client) -> None:
    domain = make_domain()
    answer = alice.get(reverse("domains:check", args=[domain.id]))
    assert answer["Location"] == reverse("domains:detail", args=[domain.id])


def test_monitoring_paths_accept_any_host_and_pages_only_our_hosts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "METRICS_TOKEN", "tell-me")
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["panel.example.com"])
    token = {"Authorization": "Bearer tell-me"}
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers={"Host": "10.1.2.3:8000", **token}).status_code in (200, 503), path
    for path in ("/accounts/login/", "/", "/api/docs", "/healthz/"):
        assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 400, path
        assert client.get(path, headers={"Host": "panel.example.com"}).status_code != 400, path


def test_an_unreadable_url_in_the_header_of_htmx_is_no_error(client: Client) -> None:
    domain, broken = make_domain(), {"HX-Request": "true", "HX-Current-URL": "http://["}
    answer = client.get(reverse("domains:detail", args=[domain.id]), headers=broken)
    assert answer["HX-Redirect"] == f"{reverse('account_login')}?next=%2F"
    client.force_login(make_staff(Role.SUPPORT))
    assert client.get(reverse("domains:diagnosis", args=[domain.id]), headers=broken).status_code == 200


def test_back_to_a_list_that_htmx_no_longer_has_gets_the_whole_page(alice: Client) -> None:
    part, whole = {"HX-Request": "true"}, {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    for name in ("domains:list", "receipt_rules:addresses", "notifications:inbox"):
        assert "<html" not in alice.get(reverse(name), headers=part).text
        assert "<html" in alice.get(reverse(name), headers=whole).text


def test_no_page_is_kept_in_the_browser_for_the_next_person_in_the_tab(alice: Client) -> None:
    page = alice.get(reverse("domains:list")).text
    assert '"historyCacheSize": 0, "refreshOnHistoryMiss": true' in page


def test_the_url_of_a_button_leads_to_the_nearest_page_above_it(alice: Client) -> None:
    domain = make_domain()
    share = reverse("domains:share", args=[domain.id])
    assert alice.get(f"{share}lnk_1/revoke/")["Location"] == share


def test_a_part_whose_object_is_gone_reloads_the_page_instead_of_holding_another_page(alice: Client) -> None:
    url = reverse("domains:detail", args=["dom_gone"])
    gone = alice.get(url, headers={"HX-Request": "true", "HX-Target": "live"})
    assert (gone.status_code, gone.headers["HX-Refresh"], gone.content) == (404, "true", b"")
    assert alice.get(url).status_code == 404
    boosted = alice.get(url, headers={"HX-Request": "true", "HX-Boosted": "true"})
    assert (boosted.status_code, "<!doctype" in boosted.text) == (404, True)


def test_a_forbidden_act_within_a_part_says_so_in_the_page(alice: Client) -> None:
    url = reverse("receipt_rules:rules")
    answer = alice.post(url, {"do": "accept"}, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (403, "#problem")
    assert "permission to do this, or no longer have it" in answer.text
    assert "<!doctype" not in answer.text


def test_an_expired_form_within_a_part_is_not_called_a_missing_permission() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(make_member())
    url = reverse("domains:add")
    part = browser.post(url, {"name": "shop.com"}, headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Retarget"]) == (403, "#problem")
    assert "This form has expired. Reload the page and try again." in part.text
    assert "permission" not in part.text
    assert "<!doctype" not in part.text
    page = browser.post(url, {"name": "shop.com"})
    assert (page.status_code, "<!doctype" in page.text, "This form has expired" in page.text) == (403, True, True)
