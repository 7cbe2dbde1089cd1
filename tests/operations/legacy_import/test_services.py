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


def looked(found: dict[str, Any] | None = None, actor: User | None = None) -> LegacyImport:
    legacy_import = legacy_import_services.store_import(
        files=files(found or document()), because="Contract 12", actor=actor
    )
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert legacy_import.state == LegacyImportState.READY
    return legacy_import


def moved(found: dict[str, Any] | None = None, actor: User | None = None) -> LegacyImport:
    legacy_import = looked(found, actor)
    legacy_import_services.start(legacy_import=legacy_import, actor=actor)
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert legacy_import.state == LegacyImportState.DONE
    return legacy_import


def results(legacy_import: LegacyImport) -> dict[tuple[str, str], str]:
    return {(row.kind, row.name): row.result for row in legacy_import.rows.all()}


def row_of(legacy_import: LegacyImport, kind: RowKind) -> LegacyImportRow:
    return legacy_import.rows.filter(kind=kind).order_by("number")[0]


def test_what_amazon_has_becomes_the_customers_with_all_that_takes_mail(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    sandbox.control.clear_calls()
    legacy_import = moved(actor=olga)
    assert set(results(legacy_import).values()) == {"new"}
    customer = Customer.objects.get(name="Alice Adams")
    domain = customer.domains.get()
    assert (domain.name, domain.stage, domain.adopted) == ("shop.com", Stage.READY, True)
    desk = Endpoint.objects.get(customer=customer)
    assert desk.config == {"url": "https://desk.example/mail", "retry_attempts": 3}
    assert CatchAll.objects.get(domain=domain, is_active=True).endpoint == desk
    taken = {row.address: (row.is_active, row.endpoint) for row in Address.objects.all()}
    assert taken == {"billing@shop.com": (True, desk), "old@shop.com": (False, None)}
    assert sandbox.control.write_calls() == ()


def test_no_run_is_queued_and_nobody_is_written_to_and_the_plan_shows_what_would_change(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    moved()
    assert not PendingChange.objects.exists()
    assert not Run.objects.exists()
    assert not ProcrastinateJob.objects.filter(task_name="receipt_rules.work").exists()
    assert not Tenant.objects.exists()
    assert mail.outbox == []
    assert planner_services.plan_changes().after.ours[0].recipients == ("shop.com",)


def test_an_imported_address_counts_at_once_by_the_rules_as_last_read(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    watch_active_set(0)
    moved()
    domain = Domain.objects.get(name="shop.com")
    assert domain.mail_rules == {"shop.com": "not_set_up"}
    assert not domain.receiving.asks_for_address


def test_people_get_no_password_and_keep_what_they_have(sandbox: Sandbox) -> None:
    moved()
    alice = User.objects.get(email="alice@example.com")
    assert not alice.has_usable_password()
    alice.first_name = "Alice B."
    alice.save()
    assert results(moved())["person", "alice@example.com"] == "same"
    alice.refresh_from_db()
    assert alice.first_name == "Alice B."


def test_what_amazon_does_not_know_has_to_be_proven_and_is_made_nowhere(sandbox: Sandbox) -> None:
    legacy_import = moved()
    assert results(legacy_import)["domain", "shop.com"] == "claim"
    domain = Domain.objects.get()
    assert (domain.stage, domain.mail_from_label, domain.claim_reason) == (Stage.CLAIM, "mail", "moved_in")
    assert domain.claim_token
    assert "until its domain is verified" in row_of(legacy_import, RowKind.ADDRESS).words
    assert planner_services.plan_changes().after.ours == ()  # an unproven claim takes nobody's mail
    assert sandbox.control.write_calls() == ()


def test_a_claim_with_addresses_becomes_the_identity_that_amazon_has_later(sandbox: Sandbox) -> None:
    moved()
    claim = Domain.objects.get()
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    assert results(moved())["domain", "shop.com"] == "new"
    domain = Domain.objects.get()
    assert (domain.pk, domain.stage, domain.created_at) == (claim.pk, Stage.READY, claim.created_at)
    assert domain.claim_token == ""
    assert Address.objects.filter(domain=domain).count() == 2


def test_looking_stores_nothing_and_foretells_what_comes(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    changes = Change.objects.count()
    legacy_import = looked()
    shown = results(legacy_import)
    assert (Domain.objects.count(), User.objects.count(), Customer.objects.count()) == (0, 0, 0)
    assert Change.objects.count() == changes + 1  # that it was taken in
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    legacy_import_services.work()
    assert results(legacy_import) == shown


def test_again_everything_is_the_same_and_only_what_changed_is_changed(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    moved()
    before = Change.objects.exclude(object_type="moving_in").count()
    assert set(results(moved()).values()) == {"same"}
    assert Change.objects.exclude(object_type="moving_in").count() == before
    found = document()
    found["emailAddresses"][1]["isActive"] = True
    found["endpoints"][0]["config"]["url"] = "https://other.example/"
    shown = results(moved(found))
    assert {key[0] for key, result in shown.items() if result == "changes"} == {"endpoint", "address"}
    assert Address.objects.get(address="old@shop.com").is_active
    change = Change.objects.filter(what="address.changed").latest("at")
    assert (change.before, change.after) == ({"is_active": False}, {"is_active": True})


def test_another_customers_domain_is_refused_with_all_that_stands_at_it(sandbox: Sandbox) -> None:
    bob = make_customer("Bob")
    make_domain("shop.com", customer=bob, stage=Stage.READY)
    legacy_import = moved()
    shown = results(legacy_import)
    assert shown["domain", "shop.com"] == shown["catch_all", "shop.com"] == "refused"
    assert shown["address", "Billing@shop.com"] == "refused"
    assert "belongs to another customer" in row_of(legacy_import, RowKind.DOMAIN).words
    assert Domain.objects.get().customer == bob
    assert not Address.objects.exists()


def test_two_owners_of_one_domain_are_found_when_it_is_looked_at(sandbox: Sandbox) -> None:
    found = document()
    found["users"].append({"id": "u2", "email": "bob@example.com", "name": "Bob"})
    found["domains"].append({"id": "d2", "domain": "https://shop.com/", "userId": "u2"})
    seed_identities(["shop.com"])
    assert results(looked(found))["domain", "https://shop.com/"] == "refused"


def test_mail_whose_endpoint_is_refused_is_refused_and_not_left_without_one(sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["config"] = {"url": "ftp://not-safe.example/"}
    shown = results(moved(found))
    assert shown["endpoint", "Desk"] == shown["address", "Billing@shop.com"] == "refused"
    assert shown["address", "old@shop.com"] == "new"


def test_an_address_after_a_refused_one_of_the_same_name_is_taken_and_a_third_is_not(sandbox: Sandbox) -> None:
    found = document()
    found["endpoints"][0]["config"] = {"url": "ftp://not-safe.example/"}
    spellings = ("Billing@shop.com", "BILLING@shop.com", "billing@shop.com")
    found["emailAddresses"] = [
        {"id": f"a{number}", "address": address, "domainId": "d1", "userId": "u1"}
        | ({"endpointId": "e1"} if number == 0 else {})
        for number, address in enumerate(spellings)
    ]
    legacy_import = moved(found)
    assert [results(legacy_import)["address", name] for name in spellings] == ["refused", "new", "refused"]
    assert legacy_import.rows.get(name="billing@shop.com").words == "Duplicate row."


def test_an_address_that_somebody_else_named_first_goes_to_whose_domain_it_is(sandbox: Sandbox) -> None:
    found = document()
    found["users"].insert(0, {"id": "u2", "email": "bob@example.com", "name": "Bob"})
    found["emailAddresses"].insert(0, {"id": "a9", "address": "Old@shop.com", "domainId": "d1", "userId": "u2"})
    shown = results(moved(found))
    assert (shown["address", "Old@shop.com"], shown["address", "old@shop.com"]) == ("refused", "new")


def test_what_was_refused_is_tried_again_alone(sandbox: Sandbox) -> None:
    bobs = make_domain("shop.com", stage=Stage.READY)
    legacy_import = moved()
    before = {row.pk: row.done_at for row in legacy_import.rows.filter(result=ImportResult.NEW)}
    bobs.delete()
    assert legacy_import_services.retry(legacy_import=legacy_import, actor=None) == 4
    legacy_import_services.work()
    assert set(results(legacy_import).values()) == {"new", "claim"}
    assert {row.pk: row.done_at for row in legacy_import.rows.filter(pk__in=before)} == before
    with pytest.raises(Refused, match="nothing to retry"):
        legacy_import_services.retry(legacy_import=legacy_import, actor=None)


def test_records_are_compared_and_not_stored(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    known = aws.client("ses").get_identity_dkim_attributes(Identities=["shop.com"])["DkimAttributes"]
    token = known["shop.com"]["DkimTokens"][0]
    key = {"recordType": "CNAME", "name": f"{token}._domainkey.shop.com", "value": f"{token}.dkim.amazonses.com"}
    records = [
        {"domainId": "d1", **key},
        {"domainId": "d1", "recordType": "MX", "name": "shop.com", "value": "10 mx.elsewhere.example"},
    ]
    legacy_import = moved(document(dnsRecords=records))
    assert [row.result for row in legacy_import.rows.filter(kind=RowKind.RECORD)] == ["same", "unneeded"]


def test_a_customer_is_stored_whole_or_not_at_all(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    found = document()
    found["users"].append({"id": "u2", "email": "bob@example.com", "name": "Bob"})
    legacy_import = looked(found)
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    save = Address.save

    def fails(self: Address, *args: Any, **kwargs: Any) -> None:
        if self.address == "old@shop.com":
            raise DatabaseError("disk full")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Address, "save", fails)
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


def test_a_database_without_room_puts_a_customer_off_and_refuses_nobody(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy_import = looked(document())
    legacy_import_services.start(legacy_import=legacy_import, actor=None)

    def full(self: Address, *args: Any, **kwargs: Any) -> None:
        raise OperationalError("could not extend file") from psycopg.errors.DiskFull("could not extend file")

    monkeypatch.setattr(Address, "save", full)
    with pytest.raises(OperationalError):
        legacy_import_services.work()
    assert not legacy_import.rows.filter(result="failed").exists()
    monkeypatch.undo()
    legacy_import_services.work()
    assert Address.objects.count() == 2


def test_while_amazon_is_silent_it_waits_and_says_so_and_then_goes_on(sandbox: Sandbox) -> None:
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


def test_many_customers_domains_are_read_together(sandbox: Sandbox) -> None:
    people = [{"id": f"u{n}", "email": f"p{n}@example.com"} for n in range(30)]
    domains = [{"id": f"d{n}", "domain": f"d{n}.com", "userId": f"u{n}"} for n in range(30)]
    seed_identities([row["domain"] for row in domains], ownership="Success", dkim="Success")
    legacy_import = looked({"users": people, "domains": domains})
    sandbox.control.clear_calls()
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    legacy_import_services.work()
    assert Domain.objects.filter(stage=Stage.READY).count() == 30
    assert sum(sandbox.control.call_counts().values()) == 3


def test_a_death_between_two_customers_is_carried_on(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [{"id": f"u{n}", "email": f"p{n}@example.com"} for n in range(3)]
    legacy_import = looked({"users": people})
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    seen: list[int] = []

    def dies(*args: Any) -> Any:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return import_rows(*args)

    monkeypatch.setattr("operations.legacy_rows.services.import_rows", dies)
    with pytest.raises(KeyboardInterrupt):
        legacy_import_services.work()
    assert User.objects.count() == 1
    monkeypatch.undo()
    reconciler_services.queue_unfinished()
    assert ProcrastinateJob.objects.filter(task_name="operations.move_in").exists()
    legacy_import_services.work()
    assert (User.objects.count(), Customer.objects.count()) == (3, 3)


def test_one_id_and_the_reason_stand_with_every_change(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    legacy_import = moved(actor=olga)
    rows = Change.objects.filter(bulk_id=legacy_import.pk)
    assert {row.because for row in rows} == {"Contract 12"}
    assert {row.what for row in rows} >= {"person.added", "customer.created", "domain.adopted", "address.added"}
    assert {row.actor_name for row in rows} == {olga.email}


def test_operators_alone_move_in_and_say_why(sandbox: Sandbox) -> None:
    for role in (Role.SUPPORT, Role.TRUST_AND_SAFETY):
        with pytest.raises(Refused, match="Only operators can import"):
            legacy_import_services.store_import(files=files(document()), because="x", actor=make_staff(role))
    with pytest.raises(Refused, match="Only operators can import"):
        legacy_import_services.store_import(files=files(document()), because="x", actor=make_member())
    with pytest.raises(Refused, match="Enter a reason"):
        legacy_import_services.store_import(files=files(document()), because=" ", actor=None)


def test_who_owns_several_customers_is_asked_about_and_not_guessed(sandbox: Sandbox) -> None:
    alice = make_member(email="alice@example.com")
    make_customer("Second").memberships.create(user=alice, role="owner")
    legacy_import = moved()
    assert set(results(legacy_import).values()) == {"refused"}
    assert "owns several customers" in row_of(legacy_import, RowKind.DOMAIN).words


def test_what_is_cancelled_begins_nobody_else(sandbox: Sandbox) -> None:
    legacy_import = looked()
    legacy_import_services.cancel(legacy_import=legacy_import, actor=None)
    with pytest.raises(Refused, match="Someone else just changed"):
        legacy_import_services.start(legacy_import=legacy_import, actor=None)
    legacy_import_services.work()
    assert not Customer.objects.exists()


def test_who_lets_it_begin_is_who_changes_what_it_changes(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    legacy_import = looked(actor=olga)
    adam = make_staff(Role.ADMIN)
    legacy_import_services.start(legacy_import=legacy_import, actor=adam)
    legacy_import_services.work()
    assert Change.objects.get(what="domain.adopted").actor_id == str(adam.pk)
