"""The import previews the result of each row, then stores each customer. SES is only read."""

from typing import Any

import psycopg
import pytest
from django.core import mail
from django.db import DatabaseError, OperationalError
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer, User
from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.legacy_import import services as legacy_import_services
from operations.legacy_import.core import ImportResult, RowKind
from operations.legacy_rows.services import import_rows
from operations.models import LegacyImport, LegacyImportRow, LegacyImportState
from operations.reconciler import services as reconciler_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.runs import PendingChange, Run
from receipt_rules.planner import services as planner_services
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.domains.factories import make_domain, seed_identities
from tests.factories import make_customer, make_member, make_staff
from tests.operations.legacy_documents import document, files

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


def preview(found: dict[str, Any] | None = None, actor: User | None = None) -> LegacyImport:
    legacy_import = legacy_import_services.store_import(
        files=files(found or document()), because="Contract 12", actor=actor
    )
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert legacy_import.state == LegacyImportState.READY
    return legacy_import


def run_import(found: dict[str, Any] | None = None, actor: User | None = None) -> LegacyImport:
    legacy_import = preview(found, actor)
    legacy_import_services.start(legacy_import=legacy_import, actor=actor)
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert legacy_import.state == LegacyImportState.DONE
    return legacy_import


def results(legacy_import: LegacyImport) -> dict[tuple[str, str], str]:
    return {(row.kind, row.name): row.result for row in legacy_import.rows.all()}


def row_of(legacy_import: LegacyImport, kind: RowKind) -> LegacyImportRow:
    return legacy_import.rows.filter(kind=kind).order_by("number")[0]


def test_identities_in_ses_become_the_customers_domains_with_addresses_and_endpoints(
    sandbox: Sandbox, olga: User
) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    sandbox.control.clear_calls()
    legacy_import = run_import(actor=olga)
    assert set(results(legacy_import).values()) == {"new"}
    customer = Customer.objects.get(name="Alice Adams")
    domain = customer.domains.get()
    assert (domain.name, domain.stage, domain.adopted) == ("shop.com", Stage.READY, True)
    desk = Endpoint.objects.get(customer=customer)
    assert desk.config == {"url": "https://desk.example/mail", "retry_attempts": 3}
    assert CatchAll.objects.get(domain=domain, is_active=True).endpoint == desk
    addresses = {row.address: (row.is_active, row.endpoint) for row in Address.objects.all()}
    assert addresses == {"billing@shop.com": (True, desk), "old@shop.com": (False, None)}
    assert sandbox.control.write_calls() == ()


def test_an_import_queues_no_run_and_sends_no_email_and_the_plan_shows_the_changes(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    run_import()
    assert not PendingChange.objects.exists()
    assert not Run.objects.exists()
    assert not ProcrastinateJob.objects.filter(task_name="receipt_rules.work").exists()
    assert not Tenant.objects.exists()
    assert mail.outbox == []
    assert planner_services.plan_changes().after.ours[0].recipients == ("shop.com",)


def test_an_imported_address_counts_at_once_by_the_rules_as_last_read(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    watch_active_set(0)
    run_import()
    domain = Domain.objects.get(name="shop.com")
    assert domain.mail_rules == {"shop.com": "not_set_up"}
    assert not domain.receiving.asks_for_address


def test_imported_people_get_no_password_and_existing_ones_are_unchanged(sandbox: Sandbox) -> None:
    run_import()
    alice = User.objects.get(email="alice@example.com")
    assert not alice.has_usable_password()
    alice.first_name = "Alice B."
    alice.save()
    assert results(run_import())["person", "alice@example.com"] == "same"
    alice.refresh_from_db()
    assert alice.first_name == "Alice B."


def test_a_domain_without_identity_becomes_an_unproven_claim(sandbox: Sandbox) -> None:
    legacy_import = run_import()
    assert results(legacy_import)["domain", "shop.com"] == "claim"
    domain = Domain.objects.get()
    assert (domain.stage, domain.mail_from_label, domain.claim_reason) == (Stage.CLAIM, "mail", "moved_in")
    assert domain.claim_token
    assert "until its domain is verified" in row_of(legacy_import, RowKind.ADDRESS).words
    assert planner_services.plan_changes().after.ours == ()  # an unproven claim receives no mail
    assert sandbox.control.write_calls() == ()


def test_a_claim_with_addresses_becomes_ready_once_ses_has_the_identity(sandbox: Sandbox) -> None:
    run_import()
    claim = Domain.objects.get()
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    assert results(run_import())["domain", "shop.com"] == "new"
    domain = Domain.objects.get()
    assert (domain.pk, domain.stage, domain.created_at) == (claim.pk, Stage.READY, claim.created_at)
    assert domain.claim_token == ""
    assert Address.objects.filter(domain=domain).count() == 2


def test_a_preview_stores_nothing_and_predicts_the_result(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    changes = Change.objects.count()
    legacy_import = preview()
    shown = results(legacy_import)
    assert (Domain.objects.count(), User.objects.count(), Customer.objects.count()) == (0, 0, 0)
    assert Change.objects.count() == changes + 1  # the import itself is logged
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    legacy_import_services.work()
    assert results(legacy_import) == shown


def test_a_repeated_import_changes_only_what_differs(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    run_import()
    before = Change.objects.exclude(object_type="moving_in").count()
    assert set(results(run_import()).values()) == {"same"}
    assert Change.objects.exclude(object_type="moving_in").count() == before
    found = document()
    found["emailAddresses"][1]["isActive"] = True
    found["endpoints"][0]["config"]["url"] = "https://other.example/"
    shown = results(run_import(found))
    assert {key[0] for key, result in shown.items() if result == "changes"} == {"endpoint", "address"}
    assert Address.objects.get(address="old@shop.com").is_active
    change = Change.objects.filter(what="address.changed").latest("at")
    assert (change.before, change.after) == ({"is_active": False}, {"is_active": True})


def test_another_customers_domain_is_refused_with_its_addresses(sandbox: Sandbox) -> None:
    bob = make_customer("Bob")
    make_domain("shop.com", customer=bob, stage=Stage.READY)
    legacy_import = run_import()
    shown = results(legacy_import)
    assert shown["domain", "shop.com"] == shown["catch_all", "shop.com"] == "refused"
    assert shown["address", "Billing@shop.com"] == "refused"
    assert "belongs to another customer" in row_of(legacy_import, RowKind.DOMAIN).words
    assert Domain.objects.get().customer == bob
    assert not Address.objects.exists()


def test_a_domain_with_two_owners_is_refused_in_the_preview(sandbox: Sandbox) -> None:
    found = document()
    found["users"].append({"id": "u2", "email": "bob@example.com", "name": "Bob"})
    found["domains"].append({"id": "d2", "domain": "https://shop.com/", "userId": "u2"})
    seed_identities(["shop.com"])
    assert results(preview(found))["domain", "https://shop.com/"] == "refused"


def test_an_address_whose_endpoint_is_refused_is_refused_too(sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["config"] = {"url": "ftp://not-safe.example/"}
    shown = results(run_import(found))
    assert shown["endpoint", "Desk"] == shown["address", "Billing@shop.com"] == "refused"
    assert shown["address", "old@shop.com"] == "new"


def test_after_a_refused_address_only_the_first_duplicate_is_accepted(sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["config"] = {"url": "ftp://not-safe.example/"}
    spellings = ("Billing@shop.com", "BILLING@shop.com", "billing@shop.com")
    found["emailAddresses"] = [
        {"id": f"a{number}", "address": address, "domainId": "d1", "userId": "u1"}
        | ({"endpointId": "e1"} if number == 0 else {})
        for number, address in enumerate(spellings)
    ]
    legacy_import = run_import(found)
    assert [results(legacy_import)["address", name] for name in spellings] == ["refused", "new", "refused"]
    assert legacy_import.rows.get(name="billing@shop.com").words == "Duplicate row."


def test_an_address_belongs_to_the_domains_owner_whoever_listed_it_first(sandbox: Sandbox) -> None:
    found = document()
    found["users"].insert(0, {"id": "u2", "email": "bob@example.com", "name": "Bob"})
    found["emailAddresses"].insert(0, {"id": "a9", "address": "Old@shop.com", "domainId": "d1", "userId": "u2"})
    shown = results(run_import(found))
    assert (shown["address", "Old@shop.com"], shown["address", "old@shop.com"]) == ("refused", "new")


def test_only_refused_rows_are_retried(sandbox: Sandbox) -> None:
    bobs = make_domain("shop.com", stage=Stage.READY)
    legacy_import = run_import()
    before = {row.pk: row.done_at for row in legacy_import.rows.filter(result=ImportResult.NEW)}
    bobs.delete()
    assert legacy_import_services.retry(legacy_import=legacy_import, actor=None) == 4
    legacy_import_services.work()
    assert set(results(legacy_import).values()) == {"new", "claim"}
    assert {row.pk: row.done_at for row in legacy_import.rows.filter(pk__in=before)} == before
    with pytest.raises(Refused, match="nothing to retry"):
        legacy_import_services.retry(legacy_import=legacy_import, actor=None)


def test_records_are_compared_but_not_stored(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    known = aws.client("ses").get_identity_dkim_attributes(Identities=["shop.com"])["DkimAttributes"]
    token = known["shop.com"]["DkimTokens"][0]
    key = {"recordType": "CNAME", "name": f"{token}._domainkey.shop.com", "value": f"{token}.dkim.amazonses.com"}
    records = [
        {"domainId": "d1", **key},
        {"domainId": "d1", "recordType": "MX", "name": "shop.com", "value": "10 mx.elsewhere.example"},
    ]
    legacy_import = run_import(document(dnsRecords=records))
    assert [row.result for row in legacy_import.rows.filter(kind=RowKind.RECORD)] == ["same", "unneeded"]


def test_a_customer_is_stored_completely_or_not_at_all(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    found = document()
    found["users"].append({"id": "u2", "email": "bob@example.com", "name": "Bob"})
    legacy_import = preview(found)
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    save = Address.save

    def fail(self: Address, *args: Any, **kwargs: Any) -> None:
        if self.address == "old@shop.com":
            raise DatabaseError("disk full")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Address, "save", fail)
    legacy_import_services.work()
    assert set(legacy_import.rows.filter(owner="alice@example.com").values_list("result", flat=True)) == {"failed"}
    assert "disk full" in row_of(legacy_import, RowKind.DOMAIN).words
    assert [person.email for person in User.objects.all()] == ["bob@example.com"]
    assert not Domain.objects.exists()
    monkeypatch.undo()
    legacy_import.refresh_from_db()
    legacy_import_services.retry(legacy_import=legacy_import, actor=None)
    legacy_import_services.work()
    assert Address.objects.count() == 2


def test_rows_that_the_database_refuses_are_shown_in_the_preview_and_block_no_other_import(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = document()
    found["users"].append({"id": "u2", "email": "bob@example.com", "name": "Bob"})
    save = Address.save

    def fails(self: Address, *args: Any, **kwargs: Any) -> None:
        if self.address == "old@shop.com":
            raise DatabaseError("value too long")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Address, "save", fails)
    legacy_import = preview(found)
    assert set(legacy_import.rows.filter(owner="alice@example.com").values_list("result", flat=True)) == {"failed"}
    assert set(legacy_import.rows.filter(owner="bob@example.com").values_list("result", flat=True)) == {"new"}
    assert "value too long" in row_of(legacy_import, RowKind.DOMAIN).words
    assert not User.objects.exists()


def test_a_full_database_delays_a_customer_and_refuses_no_row(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy_import = preview(document())
    legacy_import_services.start(legacy_import=legacy_import, actor=None)

    def raise_disk_full(self: Address, *args: Any, **kwargs: Any) -> None:
        raise OperationalError("could not extend file") from psycopg.errors.DiskFull("could not extend file")

    monkeypatch.setattr(Address, "save", raise_disk_full)
    with pytest.raises(OperationalError):
        legacy_import_services.work()
    assert not legacy_import.rows.filter(result="failed").exists()
    monkeypatch.undo()
    legacy_import_services.work()
    assert Address.objects.count() == 2


def test_an_import_waits_while_ses_does_not_answer_and_then_continues(sandbox: Sandbox) -> None:
    legacy_import = legacy_import_services.store_import(files=files(document()), because="Contract 12", actor=None)
    sandbox.control.add_fault("error", "GetIdentityVerificationAttributes", times=9)
    with pytest.raises(AwsProblem):
        legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert (legacy_import.state, bool(legacy_import.problem)) == (LegacyImportState.CHECKING, True)
    sandbox.control.clear_faults()
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert (legacy_import.state, legacy_import.problem) == (LegacyImportState.READY, "")


def test_identities_of_many_customers_are_read_together(sandbox: Sandbox) -> None:
    people = [{"id": f"u{n}", "email": f"p{n}@example.com"} for n in range(30)]
    domains = [{"id": f"d{n}", "domain": f"d{n}.com", "userId": f"u{n}"} for n in range(30)]
    seed_identities([row["domain"] for row in domains], ownership="Success", dkim="Success")
    legacy_import = preview({"users": people, "domains": domains})
    sandbox.control.clear_calls()
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    legacy_import_services.work()
    assert Domain.objects.filter(stage=Stage.READY).count() == 30
    assert sum(sandbox.control.call_counts().values()) == 3


def test_an_import_continues_after_a_crash_between_two_customers(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [{"id": f"u{n}", "email": f"p{n}@example.com"} for n in range(3)]
    legacy_import = preview({"users": people})
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    seen: list[int] = []

    def crash_at_second(*args: Any) -> Any:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return import_rows(*args)

    monkeypatch.setattr("operations.legacy_rows.services.import_rows", crash_at_second)
    with pytest.raises(KeyboardInterrupt):
        legacy_import_services.work()
    assert User.objects.count() == 1
    monkeypatch.undo()
    reconciler_services.queue_unfinished()
    assert ProcrastinateJob.objects.filter(task_name="operations.move_in").exists()
    legacy_import_services.work()
    assert (User.objects.count(), Customer.objects.count()) == (3, 3)


def test_every_change_is_logged_with_the_imports_id_and_reason(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    legacy_import = run_import(actor=olga)
    rows = Change.objects.filter(bulk_id=legacy_import.pk)
    assert {row.because for row in rows} == {"Contract 12"}
    assert {row.what for row in rows} >= {"person.added", "customer.created", "domain.adopted", "address.added"}
    assert {row.actor_name for row in rows} == {olga.email}


def test_only_operators_can_import_and_only_with_a_reason(sandbox: Sandbox) -> None:
    for role in (Role.SUPPORT, Role.TRUST_AND_SAFETY):
        with pytest.raises(Refused, match="Only operators can import"):
            legacy_import_services.store_import(files=files(document()), because="x", actor=make_staff(role))
    with pytest.raises(Refused, match="Only operators can import"):
        legacy_import_services.store_import(files=files(document()), because="x", actor=make_member())
    with pytest.raises(Refused, match="Enter a reason"):
        legacy_import_services.store_import(files=files(document()), because=" ", actor=None)


def test_rows_of_an_owner_of_several_customers_are_refused(sandbox: Sandbox) -> None:
    alice = make_member(email="alice@example.com")
    make_customer("Second").memberships.create(user=alice, role="owner")
    legacy_import = run_import()
    assert set(results(legacy_import).values()) == {"refused"}
    assert "owns several customers" in row_of(legacy_import, RowKind.DOMAIN).words


def test_a_cancelled_import_cannot_be_started(sandbox: Sandbox) -> None:
    legacy_import = preview()
    legacy_import_services.cancel(legacy_import=legacy_import, actor=None)
    with pytest.raises(Refused, match="Someone else just changed"):
        legacy_import_services.start(legacy_import=legacy_import, actor=None)
    legacy_import_services.work()
    assert not Customer.objects.exists()


def test_the_person_who_starts_an_import_is_logged_as_the_actor(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    legacy_import = preview(actor=olga)
    adam = make_staff(Role.ADMIN)
    legacy_import_services.start(legacy_import=legacy_import, actor=adam)
    legacy_import_services.work()
    assert Change.objects.get(what="domain.adopted").actor_id == str(adam.pk)
