"""Controls the sandbox from outside AWS and DNS. `client.py` has the same methods over HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

from sandbox.aws.events import confirmation, event_about, notification
from sandbox.aws.limits import CHOICES, Beliefs, Limits
from sandbox.aws.mail_manager import add_ingress_point
from sandbox.aws.metrics import SENT_WITHOUT_A_TENANT, leave_points, lose_mail, sent_an_hour
from sandbox.aws.reputation import put_finding, put_rate
from sandbox.aws.state import WORLD, Account, RegionState, Tenant, regions
from sandbox.control_dns import DEFAULT_TTL, DnsControl
from sandbox.control_mail import MailControl
from sandbox.dns.zones import ZoneStore
from sandbox.seed import seed
from sandbox.values import WEB_FAULTS, Call, Fault, FaultKind, Round
from sandbox.verifier import Verifier
from sandbox.web_host import Site


class AwsControl:
    """Faults, calls, clock, throttle, limits, tenants' status, the account."""

    def add_fault(
        self, kind: FaultKind, operation: str = "*", *, nth: int = 1, times: int | None = 1, seconds: float = 0.0
    ) -> Fault:
        """See `Fault`. Raises ValueError."""
        with WORLD.lock:
            return WORLD.faults.add(kind, operation, nth=nth, times=times, seconds=seconds)

    def faults(self) -> tuple[Fault, ...]:
        with WORLD.lock:
            return WORLD.faults.all()

    def remove_fault(self, fault_id: str) -> None:
        with WORLD.lock:
            WORLD.faults.remove(fault_id)

    def clear_faults(self) -> None:
        with WORLD.lock:
            WORLD.faults.clear()

    def calls(self, last: int = 100) -> tuple[Call, ...]:
        """Return calls, oldest first. A retry of botocore is a call of its own."""
        with WORLD.lock:
            return WORLD.calls.last(last)

    def write_calls(self, last: int = 100) -> tuple[Call, ...]:
        with WORLD.lock:
            return WORLD.calls.last(last, writes_only=True)

    def call_counts(self) -> dict[str, int]:
        with WORLD.lock:
            return dict(WORLD.calls.counts)

    def clear_calls(self) -> None:
        with WORLD.lock:
            WORLD.calls.clear()

    def now(self) -> datetime:
        return WORLD.clock.now()

    def advance_clock(self, seconds: float) -> datetime:
        """Return the sandbox's new time. `tick` then runs what is due."""
        with WORLD.lock:
            WORLD.clock.advance(seconds)
            WORLD.changed()
        return WORLD.clock.now()

    def throttle(self) -> float | None:
        return WORLD.throttle.per_second

    def set_throttle(self, per_second: float | None) -> None:
        """The limit of SES is 1.0. None turns it off."""
        if per_second is not None and per_second <= 0:
            raise ValueError("A throttle must allow more than 0 calls per second. None turns it off.")
        with WORLD.lock:
            WORLD.throttle.set(per_second)
            WORLD.changed()

    def limits(self) -> dict[str, int]:
        return asdict(WORLD.limits)

    def set_limits(self, **limits: int) -> dict[str, int]:
        """Raises ValueError for an unknown limit."""
        if unknown := set(limits) - {field.name for field in fields(Limits)}:
            raise ValueError(f"Unknown limit: {', '.join(sorted(unknown))}.")
        with WORLD.lock:
            WORLD.limits = replace(WORLD.limits, **limits)
            WORLD.changed()
        return asdict(WORLD.limits)

    def beliefs(self) -> dict[str, str]:
        return asdict(WORLD.beliefs)

    def set_beliefs(self, **beliefs: str) -> dict[str, str]:
        """Raises ValueError for an unknown belief or value."""
        if unknown := set(beliefs) - {field.name for field in fields(Beliefs)}:
            raise ValueError(f"Unknown behaviour: {', '.join(sorted(unknown))}.")
        if wrong := [f"{name}={value!r}" for name, value in beliefs.items() if value not in CHOICES[name]]:
            raise ValueError(f"Invalid behaviour: {', '.join(wrong)}.")
        with WORLD.lock:
            WORLD.beliefs = replace(WORLD.beliefs, **beliefs)
            WORLD.changed()
        return asdict(WORLD.beliefs)

    def refused_recipients(self) -> tuple[str, ...]:
        return WORLD.refused_recipients

    def set_refused_recipients(self, recipients: Sequence[str]) -> None:
        """Refuse receipt rules that name one of these, even if SES's grammar allows it."""
        with WORLD.lock:
            WORLD.refused_recipients = tuple(dict.fromkeys(each.strip().lower() for each in recipients if each.strip()))
            WORLD.changed()

    def set_finding(
        self, tenant: str, kind: str, impact: str = "HIGH", status: str = "OPEN", description: str = ""
    ) -> None:
        """`kind`: a recommendation's type, BOUNCE, COMPLAINT, DKIM, ... The tenant's policy acts on it at once."""
        now = WORLD.clock.now()
        self._on_tenant(tenant, lambda one: put_finding(one, kind, impact, status, description or kind, now))

    def set_rates(self, tenant: str, bounce: float | None = None, complaint: float | None = None) -> None:
        """Set rates as fractions. Each opens or fixes its finding, and CloudWatch gets a day of points towards it."""
        for kind, rate in {"BOUNCE": bounce, "COMPLAINT": complaint}.items():
            if rate is not None:
                self._set_rate(tenant, kind, rate, WORLD.clock.now())

    def set_account_rates(self, region: str, bounce: float | None = None, complaint: float | None = None) -> None:
        """Set the account's rates in the region, as fractions."""
        with WORLD.lock:
            state = _region(region)
            for kind, rate in {"BOUNCE": bounce, "COMPLAINT": complaint}.items():
                if rate is not None:
                    now, every = WORLD.clock.now(), state.tenants.values()
                    an_hour = sum(sent_an_hour(tenant, now) for tenant in every) + SENT_WITHOUT_A_TENANT
                    leave_points(state, "", kind, rate, now, an_hour=an_hour)
            WORLD.changed()

    def lose_mail(self, region: str, rule: str, number: int = 1) -> None:
        """Let SES give up messages of the rule. The belief `lost_mail` decides where that is counted."""
        with WORLD.lock:
            lose_mail(_region(region), rule, number, WORLD.clock.now())
            WORLD.changed()

    def suspend_tenant(self, tenant: str, cause: str = "Suspended by Amazon SES.") -> None:
        """Set AWS's own DISABLED, which no status of the customer overrides."""
        self._on_tenant(tenant, lambda one: one.amazon.set("DISABLED", WORLD.clock.now(), cause))

    def release_tenant(self, tenant: str) -> None:
        self._on_tenant(tenant, lambda one: one.amazon.set("ENABLED", WORLD.clock.now()))

    def sns_event(self, topic: str, tenant: str, detail_type: str, version: str = "2") -> dict[str, str]:
        """Return EventBridge's event about the tenant as SNS would post it, signed. Nothing is posted."""
        now = WORLD.clock.now()
        for _, state in regions():
            if tenant in state.tenants:
                return notification(topic, event_about(state, state.tenants[tenant], detail_type, now), now, version)
        raise LookupError(f"No tenant {tenant} in the sandbox.")

    def sns_confirmation(self, topic: str, version: str = "2") -> dict[str, str]:
        """Return the first message of SNS to an endpoint that is subscribed to the topic."""
        return confirmation(topic, WORLD.clock.now(), version)

    def sns_confirmed(self) -> tuple[str, ...]:
        """Return the topics with a confirmed subscription."""
        return tuple(sorted(WORLD.sns_confirmed))

    def set_account(self, region: str, **members: object) -> None:
        """Set members of `Account`: enforcement, production_access, sending_enabled, ... Raises ValueError."""
        if unknown := set(members) - {field.name for field in fields(Account)}:
            raise ValueError(f"Unknown GetAccount field: {', '.join(sorted(unknown))}.")
        with WORLD.lock:
            state = _region(region)
            state.account = replace(state.account, **members)  # type: ignore[arg-type]  # names checked above
            WORLD.changed()

    def add_ingress_point(self, region: str, name: str, rule_set: str) -> str:
        """Add an ingress point of Mail Manager. Returns the host for an MX record."""
        with WORLD.lock:
            made = add_ingress_point(_region(region), name, rule_set)
            WORLD.changed()
        return made.host

    def _on_tenant(self, name: str, change: Callable[[Tenant], None]) -> None:
        """Change a tenant, whatever its region. Raises LookupError."""
        with WORLD.lock:
            found = [state.tenants[name] for _, state in regions() if name in state.tenants]
            if not found:
                raise LookupError(f"No tenant {name} in the sandbox.")
            for tenant in found:
                change(tenant)
            WORLD.changed()

    def _set_rate(self, tenant: str, kind: str, rate: float, now: datetime) -> None:
        with WORLD.lock:
            self._on_tenant(tenant, lambda one: put_rate(one, kind, rate, now))
            for _, state in regions():
                if tenant in state.tenants:
                    an_hour = sent_an_hour(state.tenants[tenant], now)
                    leave_points(state, tenant, kind, rate, now, an_hour=an_hour)


def _region(name: str) -> RegionState:
    for _, state in regions():
        if state.region == name:
            return state
    raise LookupError(f"No call was made in {name} yet.")


class Control(AwsControl, DnsControl, MailControl):
    def __init__(self, zones: ZoneStore, verifier: Verifier, regions_to_seed: Sequence[str], mail: MailControl) -> None:
        DnsControl.__init__(self, zones)
        vars(self).update(vars(mail))
        self._verifier = verifier
        self._regions = tuple(regions_to_seed)

    def host_policy(self, domain: str, policy: str, fault: str = "") -> None:
        """Serve the MTA-STS policy of a domain over HTTPS. `fault` is one of `values.WEB_FAULTS`. Raises ValueError."""
        if fault and fault not in WEB_FAULTS:
            raise ValueError(f"Unknown web host fault: {fault!r}.")
        host, zone = f"mta-sts.{domain}", self._zones.zone_for(domain)
        with WORLD.lock:
            WORLD.sites[domain] = Site(policy, fault)
        if zone and not any(r.name == host and r.type in ("A", "CNAME") for r in self._zones.records(zone)):
            self._zones.add_record(zone, host, "A", "127.0.0.1", DEFAULT_TTL)
        WORLD.changed()

    def remove_policy(self, domain: str) -> None:
        """The host then answers 404; its name in DNS stays."""
        with WORLD.lock:
            WORLD.sites.pop(domain, None)
        WORLD.changed()

    def policies(self) -> dict[str, dict[str, str]]:
        """Return the served policies by domain."""
        return {domain: asdict(site) for domain, site in WORLD.sites.items()}

    def tick(self) -> Round:
        """Run one round of verification over every identity."""
        return self._verifier.tick()

    def reset(self) -> None:
        """Reset everything: AWS, zones, faults, calls, clock, limits. Then seed what a deployment expects."""
        with WORLD.lock:
            BackendDict.reset()
            reset_model_data()
            WORLD.reset()
            self._zones.reset()
            seed(self._regions)
            WORLD.changed()
