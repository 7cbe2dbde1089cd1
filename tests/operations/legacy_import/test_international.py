"""An import reads each spelling of an international name as the same name, and two names as two."""

from typing import Any

import pytest

from accounts.models.people import User
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from operations.legacy_import import services as legacy_import_services
from operations.legacy_import.services import store_identity_import
from operations.models import LegacyImport, LegacyImportState
from receipt_rules.models.addresses import Address
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tests.domains.factories import seed_identities
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_difference
from tests.operations.legacy_documents import document, files

pytestmark = pytest.mark.django_db

PUNYCODE = "xn--bcher-kva.com"
SPELLINGS = (
    "bücher.com",
    "BÜCHER.com",
    "bu\u0308cher.com",
    "bücher。com",
    "bücher．com.",
    "XN--BCHER-KVA.COM",
    PUNYCODE,
)


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


def run_import(found: dict[str, Any], actor: User) -> LegacyImport:
    stored = legacy_import_services.store_import(files=files(found), because="Contract 12", actor=actor)
    return finish(stored, actor)


def finish(stored: LegacyImport, actor: User) -> LegacyImport:
    legacy_import_services.work()
    stored.refresh_from_db()
    legacy_import_services.start(legacy_import=stored, actor=actor)
    legacy_import_services.work()
    stored.refresh_from_db()
    assert stored.state == LegacyImportState.DONE
    return stored


def results(legacy_import: LegacyImport, kind: str) -> list[tuple[str, str]]:
    return list(legacy_import.rows.filter(kind=kind).order_by("number").values_list("result", "words"))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_the_identity_in_ses(sandbox: Sandbox, olga: User, spelling: str) -> None:
    seed_identities([PUNYCODE], ownership="Success", dkim="Success")
    watch_active_set(0)
    run_import(document(domain=spelling), olga)
    domain = Domain.objects.get()
    assert (domain.name, domain.adopted) == (PUNYCODE, True)
    assert set(Address.objects.values_list("address", flat=True)) == {f"billing@{PUNYCODE}", f"old@{PUNYCODE}"}
    assert domain.mail_rules == {PUNYCODE: "not_set_up"}


def test_a_second_spelling_of_an_address_is_a_duplicate_and_a_second_import_changes_nothing(
    sandbox: Sandbox, olga: User
) -> None:
    addresses = [
        {"address": "info@bücher.com", "domainId": "d1", "endpointId": "e1", "userId": "u1"},
        {"address": f"Info@{PUNYCODE}", "domainId": "d1", "isActive": False, "userId": "u1"},
    ]
    given = document(domain="bücher.com", emailAddresses=addresses)
    assert [result for result, _ in results(run_import(given, olga), "address")] == ["new", "refused"]
    assert Address.objects.get().is_active
    assert results(run_import(given, olga), "address") == [
        ("same", "Receives no mail until its domain is verified."),
        ("refused", "Duplicate row."),
    ]


def test_sharp_s_and_double_s_are_two_domains_and_two_spellings_are_one(sandbox: Sandbox, olga: User) -> None:
    names = ["straße.com", "strasse.com", "xn--strae-oqa.com."]
    rows = [{"id": f"d{number}", "domain": name, "userId": "u1"} for number, name in enumerate(names)]
    found = run_import(document(domains=rows, emailAddresses=[]), olga)
    assert [result for result, _ in results(found, "domain")] == ["claim", "claim", "refused"]
    assert set(Domain.objects.values_list("name", flat=True)) == {"strasse.com", "xn--strae-oqa.com"}


@pytest.mark.parametrize("spelling", ["bücher.com", f"{PUNYCODE}.", f"https://{PUNYCODE}/"])
def test_a_line_with_an_unknown_customer_keeps_its_identity_from_the_default_customer(
    sandbox: Sandbox, olga: User, spelling: str
) -> None:
    seed_identities([PUNYCODE, "other.com"], ownership="Success", dkim="Success")
    for name in (PUNYCODE, "other.com"):
        make_difference(subject=name, kind="unowned", area="identities")
    bob = make_customer("Bob")
    made = store_identity_import(
        text=f"{spelling}, Alyce", everything=True, customer=bob, because="His account.", actor=olga
    )
    finish(made, olga)
    assert list(Domain.objects.values_list("name", "customer__name")) == [("other.com", "Bob")]


def test_a_mail_from_domain_in_unicode_is_compared_and_kept_as_in_dns(sandbox: Sandbox, olga: User) -> None:
    run_import(document(domain="bücher.com"), olga)
    assert Domain.objects.get().mail_from_label == "mail"
    seed_identities(["xn--mller-kva.com"], ownership="Success", dkim="Success")
    aws.client("sesv2").put_email_identity_mail_from_attributes(
        EmailIdentity="xn--mller-kva.com", MailFromDomain="mail.xn--mller-kva.com"
    )
    found = run_import(document(domain="müller.com", owner="bob@example.com"), olga)
    assert "MAIL FROM in SES is" not in results(found, "domain")[0][1]
