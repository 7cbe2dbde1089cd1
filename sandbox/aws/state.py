"""The sandbox's state in addition to moto's.

`RegionState` belongs to moto's SES backend of one account and region, so moto's reset clears it too. `WORLD` exists
once in a process, as moto's backends do: two sandboxes in one process share it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any

from moto.ses.models import ses_backends

from inbound_admin.lib.partitions import partition_of
from sandbox.aws.clock import Clock
from sandbox.aws.faults import CallLog, Faults
from sandbox.aws.limits import Beliefs, Limits, Throttle
from sandbox.mail.log import MailLog

PENDING, SUCCESS, FAILED = "Pending", "Success", "Failed"
TEMPORARY_FAILURE, NOT_STARTED = "TemporaryFailure", "NotStarted"
DEFAULT_POLICY = "none"


@dataclass
class Aspect:
    """One thing that SES looks up in DNS. `since`: when the present status began."""

    status: str = NOT_STARTED
    since: datetime | None = None
    checked: datetime | None = None
    succeeded: datetime | None = None
    error: str | None = None

    def start(self, now: datetime) -> None:
        """A successful aspect keeps its status; all others are looked up again from the start."""
        if self.status != SUCCESS:
            self.status, self.since, self.error = PENDING, now, None


@dataclass(frozen=True)
class Soa:
    primary: str
    admin: str
    serial: int


@dataclass
class Identity:
    name: str
    created: datetime
    ownership: Aspect = field(default_factory=Aspect)
    dkim: Aspect = field(default_factory=Aspect)
    mail_from: Aspect = field(default_factory=Aspect)
    has_txt: bool = False
    mail_from_domain: str = ""
    behavior: str = "UseDefaultValue"
    signing_enabled: bool = True
    origin: str = "AWS_SES"
    selector: str = ""
    key_length: str = "RSA_2048_BIT"
    key_generation: int = 0
    keys_made: datetime | None = None
    configuration_set: str = ""
    soa: Soa | None = None

    @property
    def is_address(self) -> bool:
        return "@" in self.name

    @property
    def domain(self) -> str:
        return self.name.rpartition("@")[2]


@dataclass
class Standing:
    """A tenant's sending status on one side, the customer's or AWS's."""

    status: str = "ENABLED"
    cause: str | None = None
    updated: datetime | None = None

    def set(self, status: str, now: datetime, cause: str | None = None) -> None:
        self.status, self.cause, self.updated = status, cause, now


@dataclass
class Finding:
    type: str
    impact: str
    status: str
    description: str
    created: datetime
    updated: datetime


@dataclass
class Tenant:
    name: str
    id: str
    arn: str
    created: datetime
    associations: dict[str, datetime] = field(default_factory=dict)
    suppression: dict[str, Any] = field(default_factory=dict)
    policy: str = DEFAULT_POLICY
    customer: Standing = field(default_factory=Standing)
    amazon: Standing = field(default_factory=Standing)
    findings: list[Finding] = field(default_factory=list)
    has_reputation: bool = True  # SES may keep none of a tenant that never sent


@dataclass
class Account:
    """The answer of GetAccount. A new sandbox has an account with production access."""

    enforcement: str = "HEALTHY"
    production_access: bool = True
    sending_enabled: bool = True
    max_24_hour_send: float = 50_000.0
    max_send_rate: float = 14.0


@dataclass
class RegionState:
    account_id: str
    region: str
    identities: dict[str, Identity] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    filters: dict[str, dict[str, Any]] = field(default_factory=dict)
    ingress_points: dict[str, Any] = field(default_factory=dict)  # of Mail Manager, by name
    account: Account = field(default_factory=Account)
    # CloudWatch's points by the metric's name and the tenant's ("" for the whole account)
    lost: dict[tuple[str, str], list[tuple[datetime, float]]] = field(default_factory=dict)  # by dimension
    metrics: dict[tuple[str, str], list[tuple[datetime, float]]] = field(default_factory=dict)
    # Of receiving: by namespace, metric, dimension and its value
    counted: dict[tuple[str, str, str, str], list[tuple[datetime, float]]] = field(default_factory=dict)

    def __setstate__(self, held: dict[str, Any]) -> None:
        """Snapshots from before `counted` don't have it."""
        self.__dict__.update({"counted": {}} | held)

    def count(self, metric: tuple[str, str], dimension: tuple[str, str], value: float, now: datetime) -> None:
        """Add one measurement of CloudWatch. `metric`: namespace and name."""
        self.counted.setdefault((*metric, *dimension), []).append((now, value))

    def arn(self, kind: str, name: str) -> str:
        return f"arn:{partition_of(self.region) or 'aws'}:ses:{self.region}:{self.account_id}:{kind}/{name}"

    def tenants_of(self, arn: str) -> list[Tenant]:
        return [tenant for tenant in self.tenants.values() if arn in tenant.associations]


@dataclass
class World:
    lock: Any = field(default_factory=RLock)
    clock: Clock = field(default_factory=Clock)
    limits: Limits = field(default_factory=Limits)
    beliefs: Beliefs = field(default_factory=Beliefs)
    throttle: Throttle = field(default_factory=Throttle)
    faults: Faults = field(default_factory=Faults)
    calls: CallLog = field(default_factory=CallLog)
    on_change: list[Callable[[], None]] = field(default_factory=list)
    sns_tokens: dict[str, str] = field(default_factory=dict)  # the topic that each would confirm
    sns_confirmed: set[str] = field(default_factory=set)
    mail: MailLog = field(default_factory=MailLog)
    receiver: tuple[str, str] = ("", "")  # the product's URL, and the key of its function
    forward_from: str = ""
    sites: dict[str, Any] = field(default_factory=dict)  # content of the customers' web host, by domain
    refused_recipients: tuple[str, ...] = ()  # in lower case, even if SES's grammar allows them

    def changed(self) -> None:
        for listener in self.on_change:
            listener()

    def reset(self) -> None:
        self.clock.reset()
        self.limits, self.beliefs = Limits(), Beliefs()
        self.throttle.set(None)
        self.faults.clear()
        self.calls.clear()
        self.sns_tokens.clear()
        self.sns_confirmed.clear()
        self.mail.clear()
        self.sites.clear()
        self.refused_recipients = ()


WORLD = World()


def region_state(backend: Any) -> RegionState:
    state: RegionState | None = getattr(backend, "sandbox_state", None)
    if state is None:
        state = RegionState(backend.account_id, backend.region_name)
        backend.sandbox_state = state
    return state


def regions() -> Iterator[tuple[Any, RegionState]]:
    """Yield each used SES backend of moto, with our state of it."""
    for account in list(ses_backends.values()):
        for backend in list(account.values()):
            yield backend, region_state(backend)
