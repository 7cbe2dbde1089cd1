"""Rows of the showcase's tenant pages, created when the first page is visited."""

from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts.roles import Role
from operations.models import Batch, BatchItem
from tenants.models.tenants import SesAccount, StatusChange, Tenant, TenantResource
from tests.browser.showcase.world import Showcase
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import make_tenant

OFF = {"standing": "paused", "staff_status": "DISABLED", "aggregate": "DISABLED", "is_paused": True}
MESSAGE = "Your newsletter went to people who never asked for it. Take them off the list, then answer our support."


def tenant_named(name: str) -> Any:
    """Return the URL's arguments: the ID of the tenant with that name."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        make_tenants(world)
        return (Tenant.objects.get(name=name).pk,)

    return arguments


def no_arguments(world: Showcase) -> tuple[()]:
    make_tenants(world)
    return ()


def batch(world: Showcase) -> tuple[str]:
    make_tenants(world)
    return (Batch.objects.get(kind="pause").pk,)


def make_tenants(world: Showcase) -> None:
    """Create a tenant in each status; Pia's is paused and Susan's suspended.

    Tess is Trust & Safety, Olga an operator.
    """
    if Tenant.objects.filter(name="paused-by-us").exists():
        return
    world.people["tess"] = make_staff(Role.TRUST_AND_SAFETY, email="tess@inbound-admin.example")
    world.people["olga"] = make_staff(Role.OPERATOR, email="olga@inbound-admin.example")
    Tenant.objects.filter(customer=world.acme).delete()
    make_tenant(
        world.acme, name="acme-and-daughters-booksellers-since-1871-4f9k2m7q", bounce_rate=0.021, complaint_rate=0.0004
    )
    now = timezone.now()
    pause_texts = {"pause_text": "Forty reports since noon, all about one newsletter.", "pause_told": MESSAGE}
    request = {"status_asked_at": now - timedelta(hours=5), "status_asked_by": world.people["tess"]}
    off: dict[str, Any] = {**OFF, **pause_texts, **request, "pause_reason": "spam"}
    paused = make_tenant(_customer(world, "pia", "Paused & Sons"), name="paused-by-us", risk=90, open_high=1, **off)
    _findings_of(paused)
    suspended = {
        "standing": "suspended",
        "amazon_status": "DISABLED",
        "amazon_cause": "Too many complaints.",
        "risk": 200,
    }
    make_tenant(
        _customer(world, "susan", "Suspended Ltd"), name="suspended", aggregate="DISABLED", open_low=2, **suspended
    )
    _make_others(off)
    _make_batch(paused, world)
    SesAccount.objects.get_or_create(region=paused.region, defaults={"enforcement": "HEALTHY", "sends": True})


def _make_others(off: dict[str, Any]) -> None:
    """Create tenants of customers that no visit signs in as."""
    make_tenant(name="pausing", **{**off, "standing": "pausing", "aggregate": "ENABLED", "staff_status": "ENABLED"})
    stuck = "Requested at 10:02 UTC, SES still reports ENABLED, not paused."
    make_tenant(name="stuck", **{**off, "standing": "pausing", "aggregate": "ENABLED", "status_problem": stuck})
    make_tenant(
        name="creating", stage="creating", standing="unknown", arn="", ses_id="", stage_problem="Amazon is busy."
    )
    make_tenant(name="unknown", standing="unknown", amazon_status="THROTTLED_BY_SOMETHING_NEW", set_sends=None)


def _customer(world: Showcase, who: str, name: str) -> Any:
    customer = make_customer(name)
    world.people[who] = person = make_member(customer, email=f"{who}@people.example")
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    return customer


def _findings_of(tenant: Tenant) -> None:
    arn = f"arn:aws:ses:{tenant.region}:123456789012:identity/"
    long = "mail.the-friends-of-the-old-harbour-and-its-three-lighthouses.example"
    for name, fields in (
        ("paused.example", {"associated_at": timezone.now()}),
        (long, {"problem": "It is in another tenant, other-customer-8h2k. An identity is of one tenant alone."}),
        ("going.example", {"wanted": False, "associated_at": timezone.now()}),
        ("coming.example", {}),
    ):
        TenantResource.objects.create(tenant=tenant, kind="identity", arn=arn + name, name=name, **fields)
    StatusChange.objects.create(tenant=tenant, layer="staff", old="ENABLED", new="DISABLED", since=timezone.now())
    StatusChange.objects.create(tenant=tenant, layer="amazon", new="REINSTATED", cause="The case was resolved.")


def _make_batch(paused: Tenant, world: Showcase) -> None:
    words = {"reason": "spam", "text": "One list, many senders.", "told": MESSAGE, "review_on": "2030-01-01"}
    made = Batch.objects.create(kind="pause", words=words, by=world.people["tess"])
    waiting = Tenant.objects.get(name="pausing")
    rows: tuple[tuple[Tenant, dict[str, Any]], ...] = (
        (paused, {"state": "done", "done_at": timezone.now()}),
        (waiting, {"state": "done", "done_at": timezone.now()}),
        (Tenant.objects.get(name="unknown"), {"state": "refused", "problem": "This tenant is being deleted."}),
    )
    for number, (tenant, fields) in enumerate(rows, start=1):
        BatchItem.objects.create(batch=made, number=number, tenant=tenant, name=tenant.name, **fields)
