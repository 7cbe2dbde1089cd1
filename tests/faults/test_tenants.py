"""The jobs of a tenant with every AWS call interrupted in every way: the next run ends like an undisturbed one."""

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
from tenants.deletion import services as deletion_services
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantResource
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tests.factories import make_customer, make_staff
from tests.faults.initial_state import InitialState
from tests.faults.interruptions import FAILED_CALLS, LOST_RESPONSES, Interruption
from tests.tenants.factories import make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db
COLUMNS = (
    "stage stage_problem policy policy_told ses_policy is_paused standing staff_status amazon_status aggregate "
    "impact set_sends status_problem read_problem"
).split()
Begin = Callable[[], Tenant]
Run = Callable[..., None]


@dataclass(frozen=True)
class Outcome:
    """The parts of our rows, of SES and of the change log that must not depend on the fault."""

    row: dict[str, Any] | None
    resources: list[tuple[Any, ...]]
    amazon: list[tuple[Any, ...]]
    sets: list[str]
    changes: list[tuple[str, str]]


class Interrupter:
    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sandbox, self._monkeypatch = sandbox, monkeypatch

    def run_with_every_interruption(
        self, begin: Begin, run: Run, interruptions: Mapping[str, Interruption] = LOST_RESPONSES | FAILED_CALLS
    ) -> Outcome:
        """Return the undisturbed run's result, which every other must equal, even after another run."""
        with InitialState(self._sandbox, begin) as initial_state:
            tenant = self._restore(initial_state)
            assert self._ran(run, tenant)
            calls, end = sum(self._sandbox.control.call_counts().values()), outcome_of(tenant)
            assert calls, "a job without an AWS call has nothing to interrupt"
            for name, interruption in interruptions.items():
                for nth in range(1, calls + 1):
                    assert self._run_interrupted(initial_state, run, interruption, nth) == (end, end), (
                        f"call {nth}: {name}"
                    )
        return end

    def _run_interrupted(
        self, initial_state: InitialState[Tenant], run: Run, interruption: Interruption, nth: int
    ) -> tuple[Outcome, Outcome]:
        tenant = self._restore(initial_state)
        self._allow(interruption.attempts)
        self._sandbox.control.add_fault(interruption.kind, nth=nth)
        broken = not self._ran(run, tenant)
        assert self._sandbox.control.faults() == (), f"call {nth} was not made"
        assert broken or interruption.attempts > 1, f"call {nth} was not interrupted: {interruption}"
        assert not broken or self._ran(run, tenant), f"the next run does not end, call {nth}: {interruption}"
        end = outcome_of(tenant)
        self._ran(run, tenant)
        return end, outcome_of(tenant)

    def _restore(self, initial_state: InitialState[Tenant]) -> Tenant:
        self._allow(3)
        tenant = initial_state.restore()
        tenant.refresh_from_db()
        return tenant

    def _allow(self, attempts: int) -> None:
        self._monkeypatch.setattr(aws, "ATTEMPTS", attempts)
        aws.account_id()  # read once in a process, so it is no call of the job

    def _ran(self, run: Run, tenant: Tenant) -> bool:
        """Return False if it was interrupted, as the worker would see it."""
        try:
            run(tenant_id=tenant.pk)
        except (AwsProblem, ProcessCut):
            return False
        return True


def outcome_of(tenant: Tenant) -> Outcome:
    changes = Change.objects.filter(object_id=tenant.pk).order_by("pk")
    for change in changes:
        assert len(set(change.aws_request_ids)) == len(change.aws_request_ids)
    rows = TenantResource.objects.order_by("kind", "name")
    return Outcome(
        Tenant.objects.filter(pk=tenant.pk).values(*COLUMNS).first(),
        [(one.kind, one.wanted, one.associated_at is not None, one.problem, one.held_by) for one in rows],
        tenants_in_ses(),
        [without_random_suffix(name) for name in aws.client("sesv2").list_configuration_sets()["ConfigurationSets"]],
        [(change.what, change.actor_kind) for change in changes],
    )


def without_random_suffix(name: str) -> str:
    """Replace the random suffix of a name."""
    return re.sub(r"-[0-9a-hjkmnp-tv-z]{8}$", "-ID", name)


def tenants_in_ses() -> list[tuple[Any, ...]]:
    """Return the name, policy, status and associations of each tenant, without random suffixes."""
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
                without_random_suffix(one["TenantName"]),
                entity["ReputationManagementPolicy"].rpartition("/")[2],
                entity["CustomerManagedStatus"]["Status"],
                sorted(without_random_suffix(row["ResourceArn"].rpartition(":")[2]) for row in resources),
            )
        )
    return found


@pytest.fixture
def interrupter(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Interrupter:
    return Interrupter(sandbox, monkeypatch)


def request_tenant() -> Tenant:
    return lifecycle_services.create_tenant(customer=make_customer("Alice"), actor=None, policy="strict")


def create_tenant_in_ses() -> Tenant:
    return set_up_tenant(make_customer("Alice"))


def test_creating_a_tenant_survives_every_interruption(interrupter: Interrupter) -> None:
    end = interrupter.run_with_every_interruption(request_tenant, lifecycle_services.create_in_ses)
    assert end.row is not None
    assert (end.row["stage"], end.row["standing"]) == ("ready", "active")
    assert end.amazon == [("alice-ID", "strict", "ENABLED", ["configuration-set/alice-ID"])]
    assert end.changes == [("tenant.added", "worker"), ("tenant.created", "worker")]


def test_adopting_a_tenant_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> Tenant:
        ses = aws.client("sesv2")
        ses.create_tenant(TenantName="by-hand")
        ses.create_email_identity(EmailIdentity="alice.com")
        ses.create_tenant_resource_association(TenantName="by-hand", ResourceArn=aws.identity_arn("alice.com"))
        return lifecycle_services.adopt_tenant(
            customer=make_customer("Alice"), name="by-hand", actor=make_staff(Role.OPERATOR)
        )

    end = interrupter.run_with_every_interruption(begin, lifecycle_services.create_in_ses)
    assert end.amazon == [("by-hand", "none", "ENABLED", ["configuration-set/alice-ID", "identity/alice.com"])]
    assert len(end.resources) == 2


def test_pausing_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> Tenant:
        tenant = create_tenant_in_ses()
        pause_tenant(tenant, applied=False)
        return tenant

    end = interrupter.run_with_every_interruption(begin, pause_services.apply_status)
    assert end.row is not None
    assert (end.row["standing"], end.row["aggregate"]) == ("paused", "DISABLED")
    assert end.changes[-2:] == [("tenant.pause_asked", "person"), ("tenant.paused", "worker")]


def test_resuming_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> Tenant:
        tenant = create_tenant_in_ses()
        pause_tenant(tenant)
        pause_services.resume(tenant=tenant, because="The list is clean.", actor=make_tess())
        return tenant

    end = interrupter.run_with_every_interruption(begin, pause_services.apply_status)
    assert end.row is not None
    assert (end.row["standing"], end.row["staff_status"]) == ("active", "ENABLED")
    assert end.changes[-1] == ("tenant.resumed", "worker")


def test_associating_and_moving_survive_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> Tenant:
        bob, alice = set_up_tenant(make_customer("Bob")), create_tenant_in_ses()
        for name in ("shop.com", "new.com"):
            aws.client("sesv2").create_email_identity(EmailIdentity=name)
        resources_services.request_association(tenant=bob, arn=aws.identity_arn("shop.com"))
        resources_services.apply_associations(tenant_id=bob.pk)
        resources_services.move(arn=aws.identity_arn("shop.com"), to=alice)
        resources_services.request_association(tenant=alice, arn=aws.identity_arn("new.com"))
        return alice

    end = interrupter.run_with_every_interruption(begin, resources_services.apply_associations)
    holders = [row[3] for row in end.amazon if "identity/shop.com" in row[3]]
    assert holders == [["configuration-set/alice-ID", "identity/new.com", "identity/shop.com"]]
    assert [row[1:] for row in end.resources if row[0] == "identity"] == [(True, True, "", "")] * 2


def test_changing_the_policy_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> Tenant:
        tenant = create_tenant_in_ses()
        policy_services.change_policy(tenant=tenant, policy="none", because="why", actor=make_staff(Role.OPERATOR))
        return tenant

    end = interrupter.run_with_every_interruption(begin, policy_services.apply_policy)
    assert end.amazon[0][1] == "none"
    assert end.changes[-2:] == [("tenant.policy", "person"), ("tenant.policy_told", "worker")]


def test_deleting_a_tenant_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> Tenant:
        tenant = create_tenant_in_ses()
        aws.client("sesv2").create_email_identity(EmailIdentity="alice.com")
        resources_services.request_association(tenant=tenant, arn=aws.identity_arn("alice.com"), free=True)
        resources_services.apply_associations(tenant_id=tenant.pk)
        deletion_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=make_staff(Role.OPERATOR))
        return tenant

    end = interrupter.run_with_every_interruption(begin, deletion_services.delete_in_ses)
    assert (end.row, end.resources, end.amazon, end.sets) == (None, [], [], [])
    assert end.changes[-2:] == [("tenant.delete_asked", "person"), ("tenant.deleted", "worker")]


def test_a_refused_deletion_changes_nothing(interrupter: Interrupter) -> None:
    tenant = create_tenant_in_ses()
    with pytest.raises(NotAllowed):
        deletion_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=make_staff(Role.SUPPORT))
    assert Tenant.objects.get(pk=tenant.pk).stage == "ready"
