"""The control API over HTTP, with the methods of `control.Control`. Standard library only; moto is not imported."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from sandbox.dns.faults import FaultEntry
from sandbox.dns.mistake import WantedRecord
from sandbox.dns.records import ZoneRecord
from sandbox.mail.log import FunctionJob, MailEntry, SinkCall
from sandbox.values import Call, Fault, FaultKind, Round


class SandboxError(Exception):
    """The sandbox refused; `str()` is its sentence."""


class SandboxUnreachable(SandboxError):
    """The control API doesn't answer."""


class ControlClient:
    """`timeout` in seconds. Every method raises SandboxError or SandboxUnreachable."""

    def __init__(self, base_url: str, timeout: float = 5.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        # The sandbox is on this machine, so a proxy from the environment must not be used.
        self._opener = build_opener(ProxyHandler({}))

    def _call(self, method: str, **arguments: object) -> Any:
        body = json.dumps(arguments).encode()
        headers = {"Content-Type": "application/json"}
        try:
            # Without an address, because no sandbox was started, it's a ValueError.
            request = Request(f"{self._base_url}/_sandbox/{method}", data=body, headers=headers)  # noqa: S310 - our own
            with self._opener.open(request, timeout=self._timeout) as response:
                return json.load(response)
        except HTTPError as refusal:
            raise SandboxError(_message(refusal)) from refusal
        except (URLError, OSError, ValueError) as problem:
            raise SandboxUnreachable(f"The sandbox isn't responding at {self._base_url}: {problem}") from problem

    # AWS

    def add_fault(
        self, kind: FaultKind, operation: str = "*", *, nth: int = 1, times: int | None = 1, seconds: float = 0.0
    ) -> Fault:
        made = self._call("add_fault", kind=kind, operation=operation, nth=nth, times=times, seconds=seconds)
        return Fault(**made)

    def faults(self) -> tuple[Fault, ...]:
        return tuple(Fault(**fault) for fault in self._call("faults"))

    def remove_fault(self, fault_id: str) -> None:
        self._call("remove_fault", fault_id=fault_id)

    def clear_faults(self) -> None:
        self._call("clear_faults")

    def calls(self, last: int = 100) -> tuple[Call, ...]:
        return _calls(self._call("calls", last=last))

    def write_calls(self, last: int = 100) -> tuple[Call, ...]:
        return _calls(self._call("write_calls", last=last))

    def call_counts(self) -> dict[str, int]:
        return dict(self._call("call_counts"))

    def clear_calls(self) -> None:
        self._call("clear_calls")

    def now(self) -> datetime:
        return datetime.fromisoformat(self._call("now"))

    def advance_clock(self, seconds: float) -> datetime:
        return datetime.fromisoformat(self._call("advance_clock", seconds=seconds))

    def throttle(self) -> float | None:
        rate: float | None = self._call("throttle")
        return rate

    def set_throttle(self, per_second: float | None) -> None:
        self._call("set_throttle", per_second=per_second)

    def limits(self) -> dict[str, int]:
        return dict(self._call("limits"))

    def set_limits(self, **limits: int) -> dict[str, int]:
        return dict(self._call("set_limits", **limits))

    def beliefs(self) -> dict[str, str]:
        return dict(self._call("beliefs"))

    def set_beliefs(self, **beliefs: str) -> dict[str, str]:
        return dict(self._call("set_beliefs", **beliefs))

    def refused_recipients(self) -> tuple[str, ...]:
        return tuple(self._call("refused_recipients"))

    def set_refused_recipients(self, recipients: Sequence[str]) -> None:
        self._call("set_refused_recipients", recipients=list(recipients))

    def smtp_address(self) -> str:
        return str(self._call("smtp_address"))

    def sink_url(self, name: str = "demo") -> str:
        return str(self._call("sink_url", name=name))

    def set_receiver(self, site_url: str, key: str, forward_from: str = "") -> None:
        self._call("set_receiver", site_url=site_url, key=key, forward_from=forward_from)

    def has_receiver(self, site_url: str) -> bool:
        return bool(self._call("has_receiver", site_url=site_url))

    def mail_log(self, last: int = 50) -> tuple[MailEntry, ...]:
        return tuple(MailEntry(**_timed(each, "at")) for each in self._call("mail_log", last=last))

    def function_jobs(self, last: int = 50) -> tuple[FunctionJob, ...]:
        return tuple(FunctionJob(**_timed(each, "due")) for each in self._call("function_jobs", last=last))

    def sink_calls(self, last: int = 50) -> tuple[SinkCall, ...]:
        return tuple(SinkCall(**_timed(each, "at")) for each in self._call("sink_calls", last=last))

    def fail_sink(self, name: str, times: int) -> None:
        self._call("fail_sink", name=name, times=times)

    def run_function(self) -> int:
        return int(self._call("run_function"))

    def redrive_dead_letters(self) -> int:
        return int(self._call("redrive_dead_letters"))

    def set_finding(
        self, tenant: str, kind: str, impact: str = "HIGH", status: str = "OPEN", description: str = ""
    ) -> None:
        self._call("set_finding", tenant=tenant, kind=kind, impact=impact, status=status, description=description)

    def set_rates(self, tenant: str, bounce: float | None = None, complaint: float | None = None) -> None:
        self._call("set_rates", tenant=tenant, bounce=bounce, complaint=complaint)

    def set_account_rates(self, region: str, bounce: float | None = None, complaint: float | None = None) -> None:
        self._call("set_account_rates", region=region, bounce=bounce, complaint=complaint)

    def lose_mail(self, region: str, rule: str, number: int = 1) -> None:
        self._call("lose_mail", region=region, rule=rule, number=number)

    def suspend_tenant(self, tenant: str, cause: str = "Suspended by Amazon SES.") -> None:
        self._call("suspend_tenant", tenant=tenant, cause=cause)

    def release_tenant(self, tenant: str) -> None:
        self._call("release_tenant", tenant=tenant)

    def sns_event(self, topic: str, tenant: str, detail_type: str, version: str = "2") -> dict[str, str]:
        made = self._call("sns_event", topic=topic, tenant=tenant, detail_type=detail_type, version=version)
        return dict(made)

    def sns_confirmation(self, topic: str, version: str = "2") -> dict[str, str]:
        return dict(self._call("sns_confirmation", topic=topic, version=version))

    def sns_confirmed(self) -> tuple[str, ...]:
        return tuple(self._call("sns_confirmed"))

    def set_account(self, region: str, **members: object) -> None:
        self._call("set_account", region=region, **members)

    def add_ingress_point(self, region: str, name: str, rule_set: str) -> str:
        return str(self._call("add_ingress_point", region=region, name=name, rule_set=rule_set))

    # DNS

    def list_zones(self) -> tuple[str, ...]:
        return tuple(self._call("list_zones"))

    def add_zone(self, name: str, nameservers: Sequence[str] = ()) -> str:
        return str(self._call("add_zone", name=name, nameservers=list(nameservers)))

    def remove_zone(self, name: str) -> None:
        self._call("remove_zone", name=name)

    def zone_for(self, name: str) -> str | None:
        zone: str | None = self._call("zone_for", name=name)
        return zone

    def nameservers(self, zone: str) -> tuple[str, ...]:
        return tuple(self._call("nameservers", zone=zone))

    def records(self, zone: str) -> tuple[ZoneRecord, ...]:
        return _records(self._call("records", zone=zone))

    def add_record(
        self,
        zone: str,
        name: str,
        type: str,  # noqa: A002 - DNS's word, and callers name it
        value: str,
        ttl: int = 300,
        *,
        force: bool = False,
    ) -> ZoneRecord:
        made = self._call("add_record", zone=zone, name=name, type=type, value=value, ttl=ttl, force=force)
        return ZoneRecord(**made)

    def replace_record(
        self,
        zone: str,
        id: str,  # noqa: A002 - the record's own word for it
        *,
        name: str,
        type: str,  # noqa: A002 - DNS's word, and callers name it
        value: str,
        ttl: int = 300,
    ) -> ZoneRecord:
        return ZoneRecord(**self._call("replace_record", zone=zone, id=id, name=name, type=type, value=value, ttl=ttl))

    def remove_record(self, zone: str, id: str) -> None:  # noqa: A002 - the record's own word for it
        self._call("remove_record", zone=zone, id=id)

    def set_dns_fault(self, zone_or_name: str, fault: str | None, nameserver: str | None = None) -> None:
        self._call("set_dns_fault", zone_or_name=zone_or_name, fault=fault, nameserver=nameserver)

    def dns_faults(self) -> tuple[FaultEntry, ...]:
        return tuple(FaultEntry(**fault) for fault in self._call("dns_faults"))

    def clear_dns_faults(self) -> None:
        self._call("clear_dns_faults")

    def publish(self, zone: str, wanted: WantedRecord) -> ZoneRecord:
        return ZoneRecord(**self._call("publish", zone=zone, wanted=asdict(wanted)))

    def publish_missing(self, zone: str, wanted: Sequence[WantedRecord]) -> tuple[ZoneRecord, ...]:
        return _records(self._call("publish_missing", zone=zone, wanted=[asdict(one) for one in wanted]))

    def make_mistake(self, zone: str, wanted: WantedRecord, code: str) -> tuple[ZoneRecord, ...]:
        return _records(self._call("make_mistake", zone=zone, wanted=asdict(wanted), code=code))

    # The customers' web host

    def host_policy(self, domain: str, policy: str, fault: str = "") -> None:
        self._call("host_policy", domain=domain, policy=policy, fault=fault)

    def remove_policy(self, domain: str) -> None:
        self._call("remove_policy", domain=domain)

    def policies(self) -> dict[str, dict[str, str]]:
        return dict(self._call("policies"))

    # The whole

    def tick(self) -> Round:
        made = self._call("tick")
        return Round(made["checked"], tuple(made["changes"]))

    def reset(self) -> None:
        self._call("reset")


def _calls(found: Sequence[Mapping[str, Any]]) -> tuple[Call, ...]:
    return tuple(Call(**{**call, "at": datetime.fromisoformat(call["at"])}) for call in found)


def _records(found: Sequence[Mapping[str, Any]]) -> tuple[ZoneRecord, ...]:
    return tuple(ZoneRecord(**record) for record in found)


def _message(refusal: HTTPError) -> str:
    body = refusal.read()
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"The sandbox returned {refusal.code}: {body[:200].decode(errors='replace')}"


def _timed(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Parse the time that JSON contains as text."""
    return {**values, name: datetime.fromisoformat(values[name])}
