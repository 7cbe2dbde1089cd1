"""The jobs of a tenant, with each AWS call cut in each way: the next run ends where an undisturbed one does."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed
from sandbox.aws.faults import ProcessCut
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantResource
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tests.factories import make_customer, make_staff
from tests.faults.initial_state import Beginning
from tests.faults.interruptions import LOST, REFUSED, Way
from tests.tenants.factories import make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db
COLUMNS = (
    "stage stage_problem policy policy_told ses_policy is_paused standing staff_status amazon_status aggregate "
    "impact set_sends status_problem read_problem"
).split()
Begin = Callable[[], Tenant]
Run = Callable[..., None]


@dataclass(frozen=True)
class End:
    """Of our rows, of Amazon and of the change log all that must not depend on what went wrong."""

    row: dict[str, Any] | None
    resources: list[tuple[Any, ...]]
    amazon: list[tuple[Any, ...]]
    sets: list[str]
    changes: list[tuple[str, str]]


class Cutting:
    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sandbox, self._monkeypatch = sandbox, monkeypatch

    def every_cut(self, begin: Begin, run: Run, ways: Mapping[str, Way] = LOST | REFUSED) -> End:
        """The end of the undisturbed run, which each other end equals, also after one run more."""
        with Beginning(self._sandbox, begin) as beginning:
            tenant = self._anew(beginning)
            assert self._ran(run, tenant)
            calls, end = sum(self._sandbox.control.call_counts().values()), end_of(tenant)
            assert calls, "a job without an AWS call has nothing to cut"
            for name, way in ways.items():
                for nth in range(1, calls + 1):
                    assert self._cut(beginning, run, way, nth) == (end, end), f"call {nth}: {name}"
        return end

    def _cut(self, beginning: Beginning[Tenant], run: Run, way: Way, nth: int) -> tuple[End, End]:
        tenant = self._anew(beginning)
        self._allow(way.attempts)
        self._sandbox.control.add_fault(way.kind, nth=nth)
        broken = not self._ran(run, tenant)
        assert self._sandbox.control.faults() == (), f"call {nth} was not made"
        assert broken or way.attempts > 1, f"call {nth} was not cut: {way}"
        assert not broken or self._ran(run, tenant), f"the next run does not end, call {nth}: {way}"
        end = end_of(tenant)
        self._ran(run, tenant)
        return end, end_of(tenant)

    def _anew(self, beginning: Beginning[Tenant]) -> Tenant:
        self._allow(3)
        tenant = beginning.again()
        tenant.refresh_from_db()
        return tenant

    def _allow(self, attempts: int) -> None:
        self._monkeypatch.setattr(aws, "ATTEMPTS", attempts)
        aws.account_id()  # is asked once a process, so it is no call of the job

    def _ran(self, run: Run, tenant: Tenant) -> bool:
        """False when it was cut, as the worker would see it."""
        try:
            run(tenant_id=tenant.pk)
        except (AwsProblem, ProcessCut):
            return False
        return True


def end_of(tenant: Tenant) -> End:
    changes = Change.objects.filter(object_id=tenant.pk).order_by("pk")
    for change in changes:
        assert len(set(change.aws_request_ids)) == len(change.aws_request_ids)
    rows = TenantResource.objects.order_by("kind", "name")
    return End(
        Tenant.objects.filter(pk=tenant.pk).values(*COLUMNS).first(),
        [(one.kind, one.wanted, one.associated_at is not None, one.problem, one.held_by) for one in rows],
        tenants_at_amazon(),
        [plain(name) for name in aws.client("sesv2").list_configuration_sets()["ConfigurationSets"]],
        [(change.what, change.actor_kind) for change in changes],
    )


def plain(name: str) -> str:
    """The part of a name that is of each run taken out."""
    return re.sub(r"-[0-9a-hjkmnp-tv-z]{8}$", "-ID", name)


def tenants_at_amazon() -> list[tuple[Any, ...]]:
    """Name, policy, both sides' statuses and associations of each, its own part of the name taken out."""
    client = aws.client("sesv2")
    entities = {
        one["ReputationEntityReference"]: one for one in client.list_reputation_entities()["ReputationEntities"]
    }
    found = []
    for one in client.list_tenants()["Tenants"]:
        entity = entities[one["TenantArn"]]
        resources = client.list_tenant_resources(TenantName=one["TenantName"])["TenantResources"]
        found.append(
            (
                plain(one["TenantName"]),
                entity["ReputationManagementPolicy"].rpartition("/")[2],
                entity["CustomerManagedStatus"]["Status"],
                sorted(plain(row["ResourceArn"].rpartition(":")[2]) for row in resources),
            )
        )
    return found


@pytest.fixture
def cutting(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Cutting:
    return Cutting(sandbox, monkeypatch)


def wished() -> Tenant:
    return lifecycle_services.create_tenant(customer=make_customer("Alice"), actor=None, policy="strict")


def there() -> Tenant:
    return set_up_tenant(make_customer("Alice"))


def test_creating(cutting: Cutting) -> None:
    end = cutting.every_cut(wished, lifecycle_services.create_in_ses)
    assert end.row is not None
    assert (end.row["stage"], end.row["standing"]) == ("ready", "active")
    assert end.amazon == [("alice-ID", "strict", "ENABLED", ["configuration-set/alice-ID"])]
    assert end.changes == [("tenant.added", "worker"), ("tenant.created", "worker")]


def test_adopting(cutting: Cutting) -> None:
    def begin() -> Tenant:
        ses = aws.client("sesv2")
        ses.create_tenant(TenantName="by-hand")
        ses.create_email_identity(EmailIdentity="alice.com")
        ses.create_tenant_resource_association(TenantName="by-hand", ResourceArn=aws.identity_arn("alice.com"))
        return lifecycle_services.adopt_tenant(
            customer=make_customer("Alice"), name="by-hand", actor=make_staff(Role.OPERATOR)
        )

    end = cutting.every_cut(begin, lifecycle_services.create_in_ses)
    assert end.amazon == [("by-hand", "none", "ENABLED", ["configuration-set/alice-ID", "identity/alice.com"])]
    assert len(end.resources) == 2


def test_pausing(cutting: Cutting) -> None:
    def begin() -> Tenant:
        tenant = there()
        pause_tenant(tenant, carried_out=False)
        return tenant

    end = cutting.every_cut(begin, pause_services.apply_status)
    assert end.row is not None
    assert (end.row["standing"], end.row["aggregate"]) == ("paused", "DISABLED")
    assert end.changes[-2:] == [("tenant.pause_asked", "person"), ("tenant.paused", "worker")]


def test_resuming(cutting: Cutting) -> None:
    def begin() -> Tenant:
        tenant = there()
        pause_tenant(tenant)
        pause_services.resume(tenant=tenant, because="The list is clean.", actor=make_tess())
        return tenant

    end = cutting.every_cut(begin, pause_services.apply_status)
    assert end.row is not None
    assert (end.row["standing"], end.row["staff_status"]) == ("active", "ENABLED")
    assert end.changes[-1] == ("tenant.resumed", "worker")


def test_associating_and_moving(cutting: Cutting) -> None:
    def begin() -> Tenant:
        bob, alice = set_up_tenant(make_customer("Bob")), there()
        for name in ("shop.com", "new.com"):
            aws.client("sesv2").create_email_identity(EmailIdentity=name)
        resources_services.request_association(tenant=bob, arn=aws.identity_arn("shop.com"))
        resources_services.apply_associations(tenant_id=bob.pk)
        resources_services.move(arn=aws.identity_arn("shop.com"), to=alice)
        resources_services.request_association(tenant=alice, arn=aws.identity_arn("new.com"))
        return alice

    end = cutting.every_cut(begin, resources_services.apply_associations)
    holders = [row[3] for row in end.amazon if "identity/shop.com" in row[3]]
    assert holders == [["configuration-set/alice-ID", "identity/new.com", "identity/shop.com"]]
    assert [row[1:] for row in end.resources if row[0] == "identity"] == [(True, True, "", "")] * 2


def test_changing_the_policy(cutting: Cutting) -> None:
    def begin() -> Tenant:
        tenant = there()
        policy_services.change_policy(tenant=tenant, policy="none", because="why", actor=make_staff(Role.OPERATOR))
        return tenant

    end = cutting.every_cut(begin, policy_services.apply_policy)
    assert end.amazon[0][1] == "none"
    assert end.changes[-2:] == [("tenant.policy", "person"), ("tenant.policy_told", "worker")]


def test_deleting(cutting: Cutting) -> None:
    def begin() -> Tenant:
        tenant = there()
        aws.client("sesv2").create_email_identity(EmailIdentity="alice.com")
        resources_services.request_association(tenant=tenant, arn=aws.identity_arn("alice.com"), free=True)
        resources_services.apply_associations(tenant_id=tenant.pk)
        lifecycle_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=make_staff(Role.OPERATOR))
        return tenant

    end = cutting.every_cut(begin, lifecycle_services.delete_in_ses)
    assert (end.row, end.resources, end.amazon, end.sets) == (None, [], [], [])
    assert end.changes[-2:] == [("tenant.delete_asked", "person"), ("tenant.deleted", "worker")]


def test_a_refusal_cuts_nothing(cutting: Cutting) -> None:
    tenant = there()
    with pytest.raises(NotAllowed):
        lifecycle_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=make_staff(Role.SUPPORT))
    assert Tenant.objects.get(pk=tenant.pk).stage == "ready"
