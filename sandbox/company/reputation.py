"""The tenants' history: a month of rates, one paused by us, one by its policy, one suspended; and a migration."""

from datetime import date, timedelta
from math import sin

from django.conf import settings
from django.utils import timezone

from accounts.models.people import Customer
from operations.migration_steps import services as migration_steps_services
from operations.models import Migration
from operations.tenant_migration import services as tenant_migration_services
from sandbox.client import ControlClient
from sandbox.company.cast import BRIGHTWATER, MAPLE, ORCHARD, PELICAN
from sandbox.company.people import staff
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.selectors import tenant_of, unfinished
from tenants.metrics import services as metrics_services
from tenants.models.tenants import PauseReason, Tenant
from tenants.pause import services as pause_services
from tenants.reputation import services as reputation_services
from tenants.reputation.selectors import existing_in_ses
from tenants.resources import services as resources_services
from tenants.status.core import SendingStatus
from tenants.status_pass import services as status_pass_services

CUSTOMERS_AN_HOUR = 1
# By days ago: fractions of bounces and complaints. Maple bought a mailing list, which shows.
TURNS = {
    MAPLE: ((30, 0.011, 0.0002), (12, 0.064, 0.0006), (7, 0.171, 0.0021)),
    ORCHARD: ((30, 0.014, 0.0002), (14, 0.016, 0.0068), (9, 0.013, 0.0004)),
    BRIGHTWATER: ((30, 0.021, 0.0007), (8, 0.024, 0.0042)),
    PELICAN: ((30, 0.034, 0.0009), (5, 0.049, 0.0038)),
    "Harbour Dental": ((30, 0.018, 0.0003), (10, 0.118, 0.0011)),
}
USUAL = ((30, 0.012, 0.0002),)


def create_waiting() -> None:
    """Create pending tenants and associate their domains, as the worker would. Raises AwsProblem."""
    for tenant in unfinished():
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
        resources_services.apply_associations(tenant_id=tenant.pk)


def measure(host: ControlClient, *, days: int) -> None:
    """Add a day's metrics; none for tenants that may not send."""
    swing = 1 + 0.15 * sin(days * 1.7)
    for tenant in existing_in_ses().exclude(aggregate=SendingStatus.DISABLED).select_related("customer"):
        _, bounce, complaint = [turn for turn in TURNS.get(tenant.customer.name, USUAL) if turn[0] >= days][-1]
        host.set_rates(tenant.name, bounce=bounce * swing, complaint=complaint * swing)
    host.set_account_rates(settings.AWS_REGION, bounce=0.019 * swing, complaint=0.0004 * swing)


def read_rates() -> None:
    metrics_services.sync_due_metrics(now=timezone.now())


def read_standing() -> None:
    now = timezone.now()
    status_pass_services.read_all(now=now)
    reputation_services.sync_all_recommendations(now=now)


def pause_brightwater() -> None:
    tenant = _tenant(BRIGHTWATER)
    if tenant.is_paused:
        return
    pause_services.pause(
        tenant=tenant,
        reason=PauseReason.COMPLAINTS,
        text="A class schedule went to people who had left the list. Bea cleans the list and writes to us.",
        told="",
        review_on=_tomorrow(),
        stops_receiving=False,
        actor=staff("Tess"),
    )
    pause_services.apply_status(tenant_id=tenant.pk)


def _tomorrow() -> date:
    return timezone.localdate() + timedelta(days=5)


def suspend_pelican(host: ControlClient) -> None:
    host.suspend_tenant(_tenant(PELICAN).name, "Suspended by Amazon SES: unusual sending patterns.")


def _tenant(customer: str) -> Tenant:
    """Raises LookupError."""
    found = tenant_of(Customer.objects.get(name=customer))
    if found is None:
        raise LookupError(f"{customer} has no tenant.")
    return found


def begin_migration() -> None:
    """Migrate the customers from before tenants were used, one an hour."""
    if Migration.objects.exists():
        return
    operator = staff("Omar")
    made = tenant_migration_services.plan_migration(
        choice=tenant_migration_services.all_of_them(),
        actor=operator,
        because="Each customer gets a tenant, so that one customer's bounces cost nobody else.",
        at_most_per_hour=CUSTOMERS_AN_HOUR,
    )
    tenant_migration_services.start(migration=made, actor=operator)


def go_on_with_migration() -> None:
    migration_steps_services.work()
    create_waiting()
