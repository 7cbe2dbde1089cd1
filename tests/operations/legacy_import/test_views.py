"""The import pages: upload, preview, start, follow, retry, cancel."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain, Stage
from operations.drift.core import IDENTITIES_AREA
from operations.drift_store import services as drift_store_services
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


def upload_document(client: Client, content: bytes | None = None, because: str = "Contract 12") -> str:
    """Upload the document; return the redirect's URL, or the page with its errors."""
    content = files(document())["old.json"] if content is None else content
    file = SimpleUploadedFile("old.json", content, "application/json")
    answer = client.post(reverse(PAGE), {"documents": [file], "because": because})
    return str(answer["Location"]) if answer.status_code == 302 else answer.content.decode()


def text(client: Client, url: str, **headers: str) -> str:
    return client.get(url, headers=headers).content.decode()


def test_an_import_is_uploaded_previewed_started_and_finished(olga: Client, sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    assert "No imports yet" in text(olga, reverse(PAGE))
    url = upload_document(olga)
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


def test_rows_are_filtered_and_exported_by_result(olga: Client, sandbox: Sandbox) -> None:
    make_domain("shop.com", stage=Stage.READY)
    url = upload_document(olga)
    legacy_import_services.work()
    refused = text(olga, f"{url}?fate=refused&kind=domain")
    assert "This domain belongs to another customer." in refused
    assert "billing@shop.com" not in refused.lower()
    assert "No rows match this filter." in text(olga, f"{url}?fate=changes")
    table = text(olga, f"{url}outcomes.csv?fate=refused").splitlines()
    assert table[0] == "number,kind,name,owner,fate,why,done_at"
    assert len(table) == 1 + 4


def test_the_export_contains_no_formula(olga: Client, sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["name"] = "=1+1"
    url = upload_document(olga, files(found)["old.json"])
    assert "'=1+1" in text(olga, f"{url}outcomes.csv?kind=endpoint")


def test_a_formula_after_an_apostrophe_is_escaped_with_a_second_one(olga: Client, sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["name"] = "'=1+1"
    url = upload_document(olga, files(found)["old.json"])
    assert "''=1+1" in text(olga, f"{url}outcomes.csv?kind=endpoint")


def test_several_tables_can_be_uploaded_at_once(olga: Client) -> None:
    uploads = [
        SimpleUploadedFile("users.csv", b"id,email\nu1,alice@example.com\n"),
        SimpleUploadedFile("domains.csv", b"id,domain,user_id\nd1,shop.com,u1\n"),
    ]
    olga.post(reverse(PAGE), {"documents": uploads, "because": "x"})
    legacy_import = LegacyImport.objects.get()
    assert (legacy_import.name, legacy_import.rows.count()) == ("users.csv, domains.csv", 2)


def test_an_unreadable_file_shows_the_error_and_keeps_the_reason(olga: Client) -> None:
    page = upload_document(olga, b"{")
    assert "not valid JSON" in page
    assert "Contract 12" in page
    assert "This field is required" in upload_document(olga, because="")
    assert not LegacyImport.objects.exists()


def test_each_button_logs_one_change(olga: Client, sandbox: Sandbox) -> None:
    make_domain("shop.com", stage=Stage.READY)
    url = upload_document(olga)
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


def test_support_cannot_import(client: Client) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    assert client.get(reverse(PAGE)).status_code == 403
    legacy_import = LegacyImport.objects.create(region="eu-west-1", name="old.json", because="x")
    assert client.get(reverse("operations:legacy_import_rows", args=[legacy_import.pk])).status_code == 404
    assert (
        client.post(reverse("operations:steer_legacy_import", args=[legacy_import.pk]), {"do": "begin"}).status_code
        == 404
    )


def test_many_identities_are_assigned_to_customers_at_once(olga: Client, sandbox: Sandbox) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    seed_identities(["a.com", "b.com", "c.com"], ownership="Success", dkim="Success")
    drift_store_services.request_check(IDENTITIES_AREA)
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
    owners = {domain.name: domain.customer for domain in Domain.objects.all()}
    assert owners == {"a.com": bob, "b.com": alice, "c.com": alice}
    assert "without a customer" not in text(olga, reverse("operations:differences"))
    assert sandbox.control.write_calls() == ()


def test_identities_need_a_choice_and_a_customer(olga: Client) -> None:
    url = reverse("operations:adopt_identities")
    assert "Enter at least one domain" in olga.post(url, {"because": "x"}).content.decode()
    assert "No customer has this name" in olga.post(url, {"because": "x", "customer": "Nobody"}).content.decode()
    assert not LegacyImport.objects.exists()
