"""The requested work: a bulk import, single domains, pauses. Import it after Django's setup."""

import random
import time
from dataclasses import dataclass, field

from django.db import connections
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer
from accounts.roles import Role
from benchmarks.machines.fleet import Fleet
from benchmarks.machines.visitors import ApiCall, Visitors
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import predict
from sandbox.aws.faults import read_calls
from sandbox.values import Call
from tenants.models.tenants import Tenant
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import set_up_tenant

TENANTS = 5
STATUS = "UpdateReputationEntityCustomerManagedStatus"
CALLS_OF_A_SET_UP = 3
DOMAIN_EVERY, PAUSE_EVERY = 6.0, 9.0  # in durations of a call
UNSAID = {"reason": "spam", "text": "Spam traps were hit.", "told": "Please clean your list."}


@dataclass
class PauseRequest:
    """A request to pause or resume a tenant. `answered`: when the API accepted it.

    `held`: a job of the tenant was still running. If its worker is dead, that is detected after a while.
    """

    arn: str
    paused: bool
    held: bool = False
    asked: float = field(default_factory=time.time)
    answered: float = 0.0


@dataclass
class Work:
    fleet: Fleet
    visitors: Visitors
    chance: random.Random
    pace: float
    names: list[str] = field(default_factory=list)
    requests: list[PauseRequest] = field(default_factory=list)
    _next_domain: float = 0.0
    _next_pause: float = 0.0

    def begin(self, *, seconds: float) -> None:
        """Create the data before the first process runs. The bulk is more than the rate limit allows in the time."""
        shop, staff = make_customer("Shop"), make_staff(Role.ADMIN)
        self.customer_key = _key(make_member(shop), "read", "write")
        self.staff_key = _key(staff, "read", "write", "staff")
        self.tenants: list[Tenant] = [set_up_tenant(make_customer(f"Tenant {number}")) for number in range(TENANTS)]
        self._import(make_customer("Bulk"), round(seconds * self.pace / CALLS_OF_A_SET_UP) + 10)

    def _import(self, customer: Customer, number: int) -> None:
        names = [f"bulk{each}.com" for each in range(number)]
        sam = make_staff(Role.SUPPORT)
        rows = predict(BatchKind.IMPORT, tuple(DomainLine(name, customer.pk) for name in names), viewer=sam)
        items = domain_actions_services.items_of(rows)
        batches_services.start(kind=BatchKind.IMPORT, items=items, words={"because": "moves in"}, actor=sam)
        self.names += names

    def go_on(self) -> None:
        """Make the requests that are due."""
        now = time.monotonic()
        if now >= self._next_domain:
            self._next_domain = now + DOMAIN_EVERY / self.pace
            self._ask_for_a_domain()
        if now >= self._next_pause:
            self._next_pause = now + PAUSE_EVERY / self.pace
            self.ask_for_a_pause()
        self.visitors.go_on()

    def _ask_for_a_domain(self) -> None:
        name = f"single{len(self.names)}.com"
        self.names.append(name)
        self.visitors.ask(ApiCall("/api/v2/domains", {"domain": name}, self.customer_key))

    def ask_for_a_pause(self) -> PauseRequest | None:
        """Request a pause or resume of a tenant whose last request SES has confirmed; None if all are pending."""
        known, arns = (
            first_calls(list(read_calls(self.fleet.calls)), self.requests),
            {tenant.arn: tenant for tenant in self.tenants},
        )
        for request in self.requests:
            if id(request) not in known:
                arns.pop(request.arn, None)
        if not arns:
            return None
        tenant = arns[self.chance.choice(sorted(arns))]
        before = [request for request in self.requests if request.arn == tenant.arn]
        request = PauseRequest(tenant.arn, paused=not (before and before[-1].paused), held=_has_work(tenant))
        self.requests.append(request)
        path = f"/api/v2/tenants/{tenant.pk}/{'pause' if request.paused else 'resume'}"
        body = UNSAID if request.paused else {"because": "The list is clean."}
        self.visitors.ask(ApiCall(path, dict(body), self.staff_key, then=lambda call: _note(request, call)))
        return request


def _has_work(tenant: Tenant) -> bool:
    connections.close_all()  # the database may have been restarted
    return ProcrastinateJob.objects.filter(status="doing", args__tenant_id=tenant.pk).exists()


def _note(request: PauseRequest, call: ApiCall) -> None:
    request.answered = call.answered


def _key(user: object, *scopes: str) -> str:
    from accounts.models.people import User

    assert isinstance(user, User)
    return create_api_key(user=user, name="machines", scopes=scopes, actor=None).secret


def first_calls(calls: list[Call], requests: list[PauseRequest]) -> dict[int, float]:
    """Return when AWS got each request, by `id`: the first call after it, as a tenant has only one at a time."""
    found: dict[int, float] = {}
    for arn in {request.arn for request in requests}:
        moments = [
            call.at.timestamp() for call in calls if (call.operation, call.subject, call.outcome) == (STATUS, arn, "ok")
        ]
        for request in (each for each in requests if each.arn == arn and each.answered):
            reached = [moment for moment in moments if moment >= request.asked]
            if reached:
                found[id(request)] = reached[0]
    return found
