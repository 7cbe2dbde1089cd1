"""The import pages: upload, preview, start, follow, retry, cancel."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain, Stage
from operations.identity_drift import services as identity_drift_services
from operations.legacy_import import services as legacy_import_services
from operations.models import LegacyImport, LegacyImportState
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, seed_identities
from tests.factories import make_customer, make_staff
from tests.operations.legacy_documents import document, files

pytestmark = pytest.mark.django_db
PAGE = "operations:legacy_import"


@pytest.fixture
def olga(client: Client) -> Client:
    client.force_login(make_staff(Role.OPERATOR))
    return client


def given(client: Client, content: bytes | None = None, because: str = "Contract 12") -> str:
    """Where it leads."""
    content = files(document())["old.json"] if content is None else content
    upload = SimpleUploadedFile("old.json", content, "application/json")
    answer = client.post(reverse(PAGE), {"documents": [upload], "because": because})
    return str(answer["Location"]) if answer.status_code == 302 else answer.content.decode()


def text(client: Client, url: str, **headers: str) -> str:
    return client.get(url, headers=headers).content.decode()


def test_it_is_given_looked_at_begun_and_done(olga: Client, sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    assert "No imports yet" in text(olga, reverse(PAGE))
    url = given(olga)
    page = text(olga, url)
    assert "Checking 6 rows." in page
    assert "every 3s" in page
    legacy_import_services.work()
    page = text(olga, url)
    assert "Nothing is stored yet" in page
    assert "Imported with its SES settings. Verified in SES." in page
    assert "every 3s" not in page
    assert not Domain.objects.exists()
    olga.post(f"{url}steer/", {"do": "begin"})
    legacy_import_services.work()
    page = text(olga, url, **{"HX-Request": "true"})
    assert page.strip().startswith('<div id="live"')
    assert "6 of 6" in page
    assert reverse("receipt_rules:plan") in page
    assert Domain.objects.get().stage == Stage.READY
    assert "old.json" in text(olga, reverse(PAGE))


def test_rows_are_filtered_and_saved_by_their_outcome(olga: Client, sandbox: Sandbox) -> None:
    make_domain("shop.com", stage=Stage.READY)
    url = given(olga)
    legacy_import_services.work()
    refused = text(olga, f"{url}?fate=refused&kind=domain")
    assert "This domain belongs to another customer." in refused
    assert "billing@shop.com" not in refused.lower()
    assert "No rows match this filter." in text(olga, f"{url}?fate=changes")
    table = text(olga, f"{url}outcomes.csv?fate=refused").splitlines()
    assert table[0] == "number,kind,name,owner,fate,why,done_at"
    assert len(table) == 1 + 4


def test_a_cell_that_looks_like_a_formula_is_none(olga: Client, sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["name"] = "=1+1"
    url = given(olga, files(found)["old.json"])
    assert "'=1+1" in text(olga, f"{url}outcomes.csv?kind=endpoint")


def test_a_formula_behind_an_apostrophe_of_its_own_is_told_from_ours(olga: Client, sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["name"] = "'=1+1"
    url = given(olga, files(found)["old.json"])
    assert "''=1+1" in text(olga, f"{url}outcomes.csv?kind=endpoint")


def test_several_tables_are_given_at_once(olga: Client) -> None:
    uploads = [
        SimpleUploadedFile("users.csv", b"id,email\nu1,alice@example.com\n"),
        SimpleUploadedFile("domains.csv", b"id,domain,user_id\nd1,shop.com,u1\n"),
    ]
    olga.post(reverse(PAGE), {"documents": uploads, "because": "x"})
    legacy_import = LegacyImport.objects.get()
    assert (legacy_import.name, legacy_import.rows.count()) == ("users.csv, domains.csv", 2)


def test_what_cannot_be_read_says_why_and_keeps_the_reason(olga: Client) -> None:
    page = given(olga, b"{")
    assert "not valid JSON" in page
    assert "Contract 12" in page
    assert "This field is required" in given(olga, because="")
    assert not LegacyImport.objects.exists()


def test_each_press_of_a_button_leaves_one_change(olga: Client, sandbox: Sandbox) -> None:
    make_domain("shop.com", stage=Stage.READY)
    url = given(olga)
    legacy_import_services.work()
    for do in ("begin", "retry", "cancel"):
        before = Change.objects.count()
        olga.post(f"{url}steer/", {"do": do})
        assert Change.objects.count() == before + 1
        if do == "begin":
            legacy_import_services.work()
    assert LegacyImport.objects.get().state == LegacyImportState.CANCELLED
    assert "already finished" in olga.post(f"{url}steer/", {"do": "cancel"}, follow=True).content.decode()
    assert "Choose an action" in olga.post(f"{url}steer/", {"do": "dance"}, follow=True).content.decode()


def test_support_may_not_move_anybody_in(client: Client) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    assert client.get(reverse(PAGE)).status_code == 403
    legacy_import = LegacyImport.objects.create(region="eu-west-1", name="old.json", because="x")
    assert client.get(reverse("operations:legacy_import_rows", args=[legacy_import.pk])).status_code == 404
    assert (
        client.post(reverse("operations:steer_legacy_import", args=[legacy_import.pk]), {"do": "begin"}).status_code
        == 404
    )


def test_identities_are_given_to_customers_many_at_once(olga: Client, sandbox: Sandbox) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    seed_identities(["a.com", "b.com", "c.com"], ownership="Success", dkim="Success")
    identity_drift_services.request_check()
    identity_drift_services.work()
    page = text(olga, reverse("operations:differences"))
    assert "3 SES identities without a customer" in page
    sandbox.control.clear_calls()
    url = reverse("operations:adopt_identities")
    lines = f"domain,customer\na.com,bob\nb.com,{alice.pk}\nnowhere.com,bob\nd.com,nobody-is-called-so"
    answer = olga.post(url, {"everything": "on", "text": lines, "customer": "Alice", "because": "theirs"})
    legacy_import_services.work()
    page = text(olga, answer["Location"])
    assert "SES has no identity with this name" in page
    assert "there isn’t exactly one customer called nobody-is-called-so" in page
    assert "Duplicate row" not in page
    olga.post(f"{answer['Location']}steer/", {"do": "begin"})
    legacy_import_services.work()
    held = {domain.name: domain.customer for domain in Domain.objects.all()}
    assert held == {"a.com": bob, "b.com": alice, "c.com": alice}
    assert "without a customer" not in text(olga, reverse("operations:differences"))
    assert sandbox.control.write_calls() == ()


def test_without_a_choice_or_a_customer_nothing_is_given(olga: Client) -> None:
    url = reverse("operations:adopt_identities")
    assert "Enter at least one domain" in olga.post(url, {"because": "x"}).content.decode()
    assert "No customer has this name" in olga.post(url, {"because": "x", "customer": "Nobody"}).content.decode()
    assert not LegacyImport.objects.exists()
