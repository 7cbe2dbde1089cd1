"""How each workflow starts, as its page or API does, and what its pages may claim. They are the table's rows.

Import it after Django's setup.
"""

from collections.abc import Callable

from django.db.models import Model
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer
from benchmarks.faults.workflows import NAME, Claim, Place, Workflow, identity_at_ses, is_missing, olga, shows, tess
from domains.jobs import queue_checks
from domains.models.domains import Domain
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib import aws
from notifications.models.webhooks import Delivery
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import predict
from operations.domain_removal import services as domain_removal_services
from operations.legacy_import import services as legacy_import_services
from operations.pause import services as pauses_services
from operations.tenant_migration import services as tenant_migration_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core import matching
from receipt_rules.planner.services import EVERYTHING, PlanRequest
from sandbox.process import Sandbox
from tenants.deletion import services as tenant_deletion_services
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantResource
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tests.domains import factories as domains_making
from tests.factories import make_customer
from tests.notifications.factories import emit_event, make_target
from tests.operations.factories import make_ready, make_sender, migrate, start_migration, tenants_in_ses
from tests.operations.legacy_documents import document, files
from tests.receipt_rules.factories import live, make_endpoint, set_up_receiving
from tests.tenants.factories import pause_tenant, reputation_entity_in_ses, set_up_tenant

A, B = f"a@{NAME}", f"b@{NAME}"


def alice() -> Customer:
    return make_customer("Alice")


def nothing_else_waits() -> None:
    """Delete jobs of the preparation: services did that work."""
    ProcrastinateJob.objects.all().delete()


def row_says(name: str, row: Model, column: str, value: object, is_so: Callable[[], bool]) -> Claim:
    """Claim what pages and API show of this column."""
    model = type(row)._default_manager
    return Claim(name, lambda: model.filter(pk=row.pk, **{column: value}).exists(), is_so)


# Domains


def add(place: Place) -> list[Claim]:
    place.sandbox.control.add_zone(NAME)
    domain = preflight_services.add(text=NAME, customer=alice(), actor=None)
    set_up = shows(olga(), "DKIM", "domains:detail", domain.pk, but_not='id="starting"')
    return [Claim("set up", set_up, lambda: mail_from() == f"bounce.{NAME}")]


def mail_from() -> str:
    return str((identity_at_ses() or {}).get("MailFromAttributes", {}).get("MailFromDomain", ""))


def verify(place: Place) -> list[Claim]:
    domain = published(place.sandbox)
    verified = shows(olga(), 'data-state="verified"', "domains:detail", domain.pk, but_not='data-state="waiting"')
    blamed = shows(olga(), ">Missing", "domains:detail", domain.pk)
    return [
        Claim("verified", verified, lambda: bool(identity_at_ses()["VerifiedForSendingStatus"])),
        Claim("a record is missing", blamed, lambda: False, at_the_end=False),
    ]


def published(sandbox: Sandbox) -> Domain:
    """Let SES verify the domain, and make its next check due."""
    domain = domains_making.set_up_domain(sandbox, NAME, customer=alice())
    domains_making.publish(sandbox, domain)
    sandbox.control.tick()
    nothing_else_waits()
    Domain.objects.update(next_check_at="2020-01-01T00:00:00Z")
    queue_checks()
    return domain


def delete(place: Place) -> list[Claim]:
    domain = make_ready(NAME, alice(), adopted=True)
    addresses_services.set_catch_all(domain=domain, actor=None)
    set_up_receiving(olga())
    nothing_else_waits()
    domain_removal_services.request_removal(domain=domain, typed_name=NAME, actor=olga())
    gone = is_missing(olga(), "domains:detail", domain.pk)
    return [Claim("deleted", gone, lambda: identity_at_ses() is None and not is_served(A))]


# Receipt rules


def is_served(address: str) -> bool:
    return bool(matching.delivering_rules(live().rules, address))


def receiving() -> Domain:
    """Return a domain with an address that receives mail."""
    domain = make_ready(NAME, alice())
    addresses_services.add_address(text=A, customer=domain.customer, actor=None)
    set_up_receiving(olga())
    nothing_else_waits()
    return domain


def add_address(place: Place) -> list[Claim]:
    domain = receiving()
    added = addresses_services.add_address(text=B, customer=domain.customer, actor=None)
    carried = shows(olga(), B, "receipt_rules:address", added.pk, but_not="Applying")
    return [Claim("carried", carried, lambda: is_served(B)), lost(A)]


def remove_address(place: Place) -> list[Claim]:
    domain = receiving()
    other = addresses_services.add_address(text=B, customer=domain.customer, actor=None)
    auto_apply_services.work()
    nothing_else_waits()
    addresses_services.change_address(address=other, actor=None, is_active=False, endpoint=None)
    off = shows(olga(), "Off", "receipt_rules:address", other.pk, but_not="Turning off")
    return [Claim("off", off, lambda: not is_served(B)), lost(A)]


def lost(address: str) -> Claim:
    """Claim that mail is accepted at each moment. It is no sentence of a page."""
    return Claim(f"mail to {address} is lost", lambda: not is_served(address), lambda: False, at_the_end=False)


def transfer(place: Place) -> list[Claim]:
    """Alice's domain, in her tenant and stored under her prefix, becomes Bob's."""
    hers, his = (set_up_tenant(make_customer(name)) for name in ("Alice", "Bob"))
    domain = make_ready(NAME, hers.customer, tenant=hers)
    resources_services.request_association(tenant=hers, arn=aws.identity_arn(NAME))
    resources_services.apply_associations(tenant_id=hers.pk)
    endpoint = make_endpoint(hers.customer, name="Desk", s3_prefix="alice/")
    addresses_services.add_address(text=A, customer=hers.customer, endpoint=endpoint, actor=None)
    set_up_receiving(olga())
    nothing_else_waits()
    overrides_services.transfer(domain=domain, to=his.customer, because="Alice sold the shop", actor=olga())
    identity = TenantResource.objects.get(tenant=his, arn=aws.identity_arn(NAME))
    in_his = row_says(
        "in Bob's tenant", identity, "associated_at__isnull", False, lambda: tenants_of_identity() == {his.name}
    )
    settled = row_says(
        "nothing of Alice's", domain, "routes_unchecked", False, lambda: "alice/" not in str(live().rules)
    )
    return [in_his, settled, lost(A)]


def tenants_of_identity() -> set[str]:
    return {name for name, arns in tenants_in_ses().items() if aws.identity_arn(NAME) in arns}


def set_up_rules(place: Place) -> list[Claim]:
    domain = make_ready(NAME, alice())
    addresses_services.add_address(text=A, customer=domain.customer, actor=None)
    return approved(EVERYTHING, lambda: is_served(A), typed="inbound-mail")


def approved(asked: PlanRequest, is_so: Callable[[], bool], typed: str = "") -> list[Claim]:
    made = planner_services.plan_changes(asked)
    run = planner_services.approve(
        digest=made.digest, because="as planned", actor=olga(), typed=typed or made.before.name, request=asked
    )
    return [row_says("run done", run, "state", "done", is_so)]


def roll_back(place: Place) -> list[Claim]:
    domain = receiving()
    other = addresses_services.add_address(text=B, customer=domain.customer, actor=None)
    auto_apply_services.work()
    nothing_else_waits()
    state = Snapshot.objects.latest("at")
    addresses_services.remove_address(address=Address.objects.get(pk=other.pk), actor=None)
    auto_apply_services.work()
    assert not is_served(B)
    nothing_else_waits()
    return [*approved(PlanRequest(snapshot=state.pk), lambda: is_served(B)), lost(A)]


# Tenants


def create_tenant(place: Place) -> list[Claim]:
    tenant = lifecycle_services.create_tenant(customer=alice(), actor=None, policy="strict")
    ready = shows(olga(), "Sending is enabled.", "tenants:detail", tenant.pk)
    return [Claim("enabled", ready, lambda: tenant.name in tenants_in_ses())]


def change_policy(place: Place) -> list[Claim]:
    tenant = set_up_tenant(alice())
    nothing_else_waits()
    policy_services.change_policy(tenant=tenant, policy="none", because="why", actor=olga())
    claim = row_says("policy", tenant, "ses_policy", "none", lambda: policy_at_amazon(tenant) == "none")
    return [claim]


def policy_at_amazon(tenant: Tenant) -> str:
    return str(reputation_entity_in_ses(tenant)["ReputationManagementPolicy"]).rpartition("/")[2]


def delete_tenant(place: Place) -> list[Claim]:
    tenant = set_up_tenant(alice())
    nothing_else_waits()
    tenant_deletion_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=olga())
    return [Claim("deleted", is_missing(olga(), "tenants:detail", tenant.pk), lambda: not tenants_in_ses())]


def status_at_amazon(tenant: Tenant) -> str:
    return str(reputation_entity_in_ses(tenant)["CustomerManagedStatus"]["Status"])


def pause(place: Place) -> list[Claim]:
    tenant = set_up_tenant(alice())
    nothing_else_waits()
    Tenant.objects.update(sends_since="2020-01-01T00:00:00Z")
    tenant.refresh_from_db()
    pause_tenant(tenant, actor=tess(), applied=False)
    paused = shows(tess(), "confirmed by SES", "tenants:detail", tenant.pk)
    return [Claim("paused", paused, lambda: status_at_amazon(tenant) == "DISABLED")]


def resume(place: Place) -> list[Claim]:
    tenant = set_up_tenant(alice())
    nothing_else_waits()
    pause_tenant(tenant, actor=tess())
    nothing_else_waits()
    pause_services.resume(tenant=tenant, because="The list is clean.", actor=tess())
    enabled = shows(tess(), "Sending is enabled.", "tenants:detail", tenant.pk)
    return [Claim("enabled", enabled, lambda: status_at_amazon(tenant) == "ENABLED")]


def pause_many(place: Place) -> list[Claim]:
    """Request pauses of two tenants. The SES calls that the request itself would make are left to the worker."""
    tenants = [set_up_tenant(make_customer(name)) for name in ("Alice", "Bob")]
    nothing_else_waits()
    words = {"reason": "spam", "text": "Spam traps were hit.", "told": "Clean your list.", "review_on": ""}
    made = batches_services.start(
        kind=BatchKind.PAUSE, items=pauses_services.items_of(tenants), words=words, actor=tess()
    )
    paused = shows(tess(), "2 paused.", "operations:batch", made.pk)
    return [Claim("2 paused", paused, lambda: {status_at_amazon(each) for each in tenants} == {"DISABLED"})]


# Migration, import, batches


def migrate_tenant(place: Place) -> list[Claim]:
    customer = make_sender("Alice", domains=1)
    item = start_migration(customer).items.get()
    done = shows(olga(), "Migrated", "operations:migration_item", item.migration_id, item.pk, but_not="Partly")
    return [Claim("migrated", done, identity_is_in_a_tenant)]


def identity_is_in_a_tenant() -> bool:
    return any(":identity/" in arn for arns in tenants_in_ses().values() for arn in arns)


def migrate_back(place: Place) -> list[Claim]:
    migration = migrate(make_sender("Alice", domains=1))
    nothing_else_waits()
    tenant_migration_services.roll_back(migration=migration, actor=None, because="as a test")
    item = migration.items.get()
    back = shows(olga(), "Rolled back", "operations:migration_item", item.migration_id, item.pk)
    return [Claim("rolled back", back, lambda: not identity_is_in_a_tenant())]


def import_legacy(place: Place) -> list[Claim]:
    domains_making.seed_identities([NAME], ownership="Success", dkim="Success")
    moving = legacy_import_services.store_import(files=files(document()), because="Contract 12", actor=olga())
    legacy_import_services.work()
    moving.refresh_from_db()
    nothing_else_waits()
    legacy_import_services.start(legacy_import=moving, actor=olga())
    return [row_says("imported", moving, "state", "done", Domain.objects.filter(name=NAME, adopted=True).exists)]


def add_many(place: Place) -> list[Claim]:
    customer, names = alice(), ("bulk0.com", "bulk1.com")
    for name in names:
        place.sandbox.control.add_zone(name)
    asked = tuple(DomainLine(name, customer.pk) for name in names)
    rows = [row for row in predict(BatchKind.IMPORT, asked, viewer=olga()) if row.works]
    items = domain_actions_services.items_of(rows)
    assert len(items) == len(asked)
    made = batches_services.start(kind=BatchKind.IMPORT, items=items, words={}, actor=olga())
    done = shows(olga(), "2 done", "operations:bulk", made.pk)
    return [Claim("2 done", done, lambda: Domain.objects.count() == len(asked))]


def deliver(place: Place) -> list[Claim]:
    """Deliver to a server of the sweep, which stores what it receives."""
    customer = alice()
    make_target(place.receiver.url, customer_id=customer.pk)
    emit_event(customer.pk)
    delivery = Delivery.objects.get()
    delivered = shows(olga(), "Delivered", "notifications:delivery", delivery.pk)
    return [Claim("delivered", delivered, lambda: bool(place.receiver.received))]


WORKFLOWS = (
    Workflow("add a domain", add),
    Workflow("verify a domain", verify, asks_dns=True),
    Workflow("delete a domain", delete),
    Workflow("transfer a domain", transfer),
    Workflow("set up receipt rules", set_up_rules),
    Workflow("rules: an address on", add_address),
    Workflow("rules: an address off", remove_address),
    Workflow("rules: roll back", roll_back),
    Workflow("tenant: create", create_tenant),
    Workflow("tenant: change policy", change_policy),
    Workflow("tenant: delete", delete_tenant),
    Workflow("pause", pause),
    Workflow("resume", resume),
    Workflow("pause many", pause_many),
    Workflow("migrate into a tenant", migrate_tenant),
    Workflow("migrate back", migrate_back),
    Workflow("import the old system", import_legacy),
    Workflow("add many domains", add_many),
    Workflow("deliver a webhook", deliver),
)
