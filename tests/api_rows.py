"""One row of everything that API operations need, of Alice or of the operators."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models.people import Customer, Membership, User
from audit.services import record
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from domains.models.sharing import ShareLink
from notifications.events.services import emit
from notifications.models.alerts import Alert
from notifications.models.webhooks import Delivery
from operations.models import Difference, Migration, MigrationItem
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import Run, Snapshot
from tenants.models.reputation import Finding
from tenants.models.tenants import StatusChange, Tenant, TenantResource
from tests.factories import make_customer, make_member
from tests.notifications.factories import domain_subject, make_delivery, make_target, raise_alert
from tests.operations.factories import make_difference, make_item
from tests.receipt_rules.factories import make_address, make_endpoint, make_mail, make_verified
from tests.tenants.factories import make_tenant


@dataclass(frozen=True)
class World:
    """`newcomer` is a customer without a tenant who isn't being migrated."""

    customer: Customer
    newcomer: Customer
    alice: User
    domain: Domain
    address: Address
    endpoint: Endpoint
    tenant: Tenant
    link: ShareLink
    run: Run
    item: MigrationItem
    difference: Difference
    alert: Alert
    delivery: Delivery
    mail: ReceivedMail

    @property
    def ids(self) -> dict[str, str]:
        """Return the parameters of paths."""
        return {
            "customer_id": self.customer.pk,
            "domain_id": self.domain.pk,
            "address_id": self.address.pk,
            "endpoint_id": self.endpoint.pk,
            "tenant_id": self.tenant.pk,
            "link_id": self.link.pk,
            "format_key": "zone",
            "run_id": self.run.pk,
            "migration_id": self.item.migration_id,
            "item_id": self.item.pk,
            "difference_id": self.difference.pk,
            "alert_id": self.alert.pk,
            "webhook_id": self.delivery.target_id,
            "delivery_id": self.delivery.pk,
            "mail_id": self.mail.pk,
        }


def make_world() -> World:
    """Create the rows, without any call."""
    now = timezone.now()
    customer = make_customer("Alice Ltd")
    domain = make_verified("shop.com", customer=customer, mail_from_label="")
    endpoint = make_endpoint(customer, config={"url": "https://127.0.0.1/"})
    tenant = make_tenant(customer)
    Finding.objects.create(tenant=tenant, kind="BOUNCE", impact="HIGH", status="OPEN", opened_at=now)
    return World(
        customer=customer,
        newcomer=make_customer("Newcomer"),
        alice=make_member(customer),
        domain=domain,
        address=make_address("a@shop.com", domain),
        endpoint=endpoint,
        tenant=tenant,
        link=ShareLink.objects.create(domain=domain, meant_for="IT", expires_at=now + timedelta(days=1)),
        run=_run(),
        item=make_item(customer),
        difference=make_difference(customer),
        alert=raise_alert(customer.pk, name="other.example"),
        delivery=make_delivery(customer.pk),
        mail=make_mail(endpoint),
    )


def _run(**fields: Any) -> Run:
    made = {"kind": "approved", "region": settings.AWS_REGION, "digest": "d", "touched": "t", "calls": 3}
    return Run.objects.create(**(made | {"summary": "1 address starts receiving."} | fields))


def make_more_rows(world: World, *, start: int, end: int) -> None:
    """Create numbered rows of everything that is listed, of the same customer where possible."""
    for each in range(start, end):
        now = timezone.now()
        domain = make_verified(f"more{each}.com", customer=world.customer)
        make_address(f"a@more{each}.com", domain, endpoint=make_endpoint(world.customer))
        ShareLink.objects.create(domain=world.domain, expires_at=now + timedelta(days=1)).visits.create(
            first_at=now, last_at=now
        )
        tenant = make_tenant(make_customer())
        Membership.objects.create(customer=tenant.customer, user=world.alice)
        record("domain.added", about=domain_subject(world.customer.pk), actor=world.alice)
        Finding.objects.create(tenant=world.tenant, kind="BOUNCE", impact="LOW", status="OPEN", opened_at=now)
        StatusChange.objects.create(tenant=world.tenant, layer="amazon", old="ENABLED", new="DISABLED")
        TenantResource.objects.create(tenant=world.tenant, kind="identity", arn=f"arn{each}", name=f"more{each}.com")
        _run(state="done", customer=world.customer)
        Snapshot.objects.create(
            region=settings.AWS_REGION, name="set", content={}, digest=str(each), recipients=1, rules=1
        )
        MigrationItem.objects.create(migration=world.item.migration, customer=tenant.customer, number=each + 2)
        Migration.objects.create(region=settings.AWS_REGION, chosen="customer", policy="standard", by=world.alice)
        make_difference(tenant.customer, key=f"more {each}", by=world.alice)
        raise_alert(world.customer.pk, name=f"more{each}.example")
        make_delivery(tenant.customer_id)
        make_target(customer_id=world.customer.pk, name=f"more {each}")
        emit(event="domain.verified", about=domain_subject(world.customer.pk), data={})
        make_mail(make_endpoint(world.customer))
        ObservedAnswer.objects.create(domain=world.domain, name="x", type="TXT", resolver=str(each), since=now)
