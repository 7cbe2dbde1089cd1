"""The read-only part of SES Mail Manager: ingress points and rule sets, over its own protocol (AWS JSON 1.0).

moto doesn't have the service, so the server passes its requests here. Faults and the log of calls apply as for SES.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from sandbox.aws.state import WORLD, RegionState, region_state

TARGET = "MailManagerSvc."  # prefix of the header X-Amz-Target
_REGION = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/")
_SERVICE = "mailmanager"
Answered = tuple[str, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class IngressPoint:
    """`host`: the name for an MX record."""

    id: str
    name: str
    host: str
    rule_set: str


def add_ingress_point(state: RegionState, name: str, rule_set: str) -> IngressPoint:
    number = len(state.ingress_points) + 1
    host = f"{number:010x}.{state.region}.mail-manager-smtp.amazonaws.com"
    made = state.ingress_points[name] = IngressPoint(f"inp-{number}", name, host, rule_set)
    return made


def answer(operation: str, authorization: str, body: bytes) -> Answered:
    """Answer while holding the lock. Raises nothing: unknown operations return an error of the protocol."""
    region = found.group(1) if (found := _REGION.search(authorization)) else "us-east-1"
    fault = WORLD.faults.take(_SERVICE, operation)
    state = region_state(ses_backends[DEFAULT_ACCOUNT_ID][region])
    refusal = _refusal(operation, fault.kind if fault else "")
    response = (
        {"__type": refusal, "Message": refusal} if refusal else _ANSWERS[operation](state, json.loads(body or b"{}"))
    )
    WORLD.calls.add(WORLD.clock.now(), _SERVICE, operation, region, "", refusal or "ok")
    status = "500 Internal Server Error" if refusal == "InternalFailure" else "400 Bad Request" if refusal else "200 OK"
    return status, [("Content-Type", "application/x-amz-json-1.0")], json.dumps(response).encode()


def _refusal(operation: str, fault: str) -> str:
    if operation not in _ANSWERS:
        return "UnknownOperationException"
    known = {"denied": "AccessDeniedException", "throttle": "ThrottlingException", "error": "InternalFailure"}
    return known.get(fault, "")


def _ingress_points(state: RegionState, _asked: Mapping[str, Any]) -> dict[str, Any]:
    points = [
        {"IngressPointName": p.name, "IngressPointId": p.id, "Status": "ACTIVE", "Type": "OPEN", "ARecord": p.host}
        for p in state.ingress_points.values()
    ]
    return {"IngressPoints": points}


def _ingress_point(state: RegionState, asked: Mapping[str, Any]) -> dict[str, Any]:
    point = next(p for p in state.ingress_points.values() if p.id == asked["IngressPointId"])
    return {
        "IngressPointId": point.id,
        "IngressPointName": point.name,
        "Status": "ACTIVE",
        "Type": "OPEN",
        "ARecord": point.host,
        "RuleSetId": point.rule_set,
    }


def _rule_sets(state: RegionState, _asked: Mapping[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys(point.rule_set for point in state.ingress_points.values())
    return {"RuleSets": [{"RuleSetId": name, "RuleSetName": name} for name in names]}


_ANSWERS = {"ListIngressPoints": _ingress_points, "GetIngressPoint": _ingress_point, "ListRuleSets": _rule_sets}
