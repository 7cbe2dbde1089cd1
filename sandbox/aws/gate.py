"""Every SES and STS call passes here: it is counted and throttled, and requested faults are applied.

In process, a cut connection raises what botocore would raise, and passes through botocore's own retries. Over HTTP, the
server closes the connection. A slow answer and a process exit travel to the server as headers, because it must not hold
the lock while it waits.
"""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ConnectionClosedError
from moto.core.responses import ActionResult

from sandbox.aws.errors import SesRefusal
from sandbox.aws.faults import READS, ConnectionCut, ProcessCut
from sandbox.aws.state import WORLD
from sandbox.values import Fault

SLOW_HEADER = "x-sandbox-slow"
EXIT_HEADER = "x-sandbox-process-exit"
SUBJECTS = ("Identity", "EmailIdentity", "Domain", "TenantName", "RuleName", "RuleSetName", "ReputationEntityReference")
UNPACED = ("sts", "cloudwatch")
Answer = tuple[int, dict[str, Any], Any]
Plain = Callable[[Any], Answer]
_ERROR_CODE = re.compile(r"<Code>([^<]+)</Code>")


def guard(response_class: Any, service: str) -> None:
    """Put the gate in front of moto's own `call_action` of this service."""
    plain: Plain = response_class.call_action

    def call_action(self: Any) -> Answer:
        slow = 0.0
        with WORLD.lock:
            answer, slow = _pass(self, service, plain)
        if slow:
            time.sleep(slow)
        return answer

    response_class.call_action = call_action


def _pass(response: Any, service: str, plain: Plain) -> tuple[Answer, float]:
    operation = response._get_action() or "Unknown"
    fault = WORLD.faults.take(service, operation)
    refused = _refused(response, service, operation, fault)
    if fault and fault.kind == "cut_before":
        _log(response, service, operation, "cut before it was applied")
        raise _cut(response)
    answer = refused or plain(response)
    after = fault.kind if fault and not refused else ""
    outcome = {"cut_after": "cut after it was applied", "exit_after": "process exit"}.get(after) or _outcome(answer)
    _log(response, service, operation, outcome)
    if not operation.startswith(READS):
        WORLD.changed()
    return _after(response, answer, fault) if fault and after else (answer, 0.0)


def _after(response: Any, answer: Answer, fault: Fault) -> tuple[Answer, float]:
    over_http = response.is_werkzeug_request
    if fault.kind == "cut_after":
        raise _cut(response)
    if fault.kind == "exit_after":
        if not over_http:
            raise ProcessCut(fault.id)
        answer[1][EXIT_HEADER] = fault.id
    if fault.kind == "slow":
        if not over_http:
            return answer, fault.seconds
        answer[1][SLOW_HEADER] = str(fault.seconds)
    return answer, 0.0


def _refused(response: Any, service: str, operation: str, fault: Fault | None) -> Answer | None:
    if fault and fault.kind == "error":
        return _server_error(response, service)
    if fault and fault.kind == "denied":
        return _denied(service, operation)
    if fault and fault.kind == "missing":
        return _by_hand(service, 404, "NotFoundException", f"{operation} is not known here.")
    admitted = service in UNPACED or operation.startswith("Send") or _admits(response)
    if admitted and not (fault and fault.kind == "throttle"):
        return None
    code = "TooManyRequestsException" if service == "sesv2" else "Throttling"
    return _serialised(
        response, SesRefusal(code, "Rate exceeded" if service in UNPACED else "Maximum sending rate exceeded.")
    )


def _admits(response: Any) -> bool:
    return WORLD.throttle.admits(response.current_account, response.region, WORLD.clock.now())


def _server_error(response: Any, service: str) -> Answer:
    code = "InternalServiceErrorException" if service == "sesv2" else "InternalFailure"
    _, headers, body = _serialised(response, SesRefusal(code, "An internal failure occurred."))
    return 500, {**headers, "status": "500"}, body


def _denied(service: str, operation: str) -> Answer:
    """Return the error as text: no model of SES has the code, so moto can't serialise it."""
    code = "AccessDeniedException" if service == "sesv2" else "AccessDenied"
    return _by_hand(service, 403, code, f"User is not authorized to perform: ses:{operation}")


def _by_hand(service: str, status: int, code: str, reason: str) -> Answer:
    if service == "sesv2":
        headers = {"x-amzn-errortype": code, "content-type": "application/json", "status": str(status)}
        return status, headers, json.dumps({"message": reason})
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{reason}</Message></Error>"
    headers = {"content-type": "text/xml", "status": str(status)}
    return status, headers, f"{body}<RequestId>refused</RequestId></ErrorResponse>"


def _serialised(response: Any, refusal: SesRefusal) -> Answer:
    status, headers, body = response.serialized(ActionResult(refusal))
    return status, {**headers, "status": str(status)}, body


def _cut(response: Any) -> Exception:
    if response.is_werkzeug_request:
        return ConnectionCut()
    return ConnectionClosedError(endpoint_url=response.uri)


def _outcome(answer: Answer) -> str:
    status, headers, body = answer
    if int(headers.get("status", status)) < 400:
        return "ok"
    lower = {name.lower(): value for name, value in headers.items()}
    found = _ERROR_CODE.search(body if isinstance(body, str) else "")
    return found.group(1) if found else str(lower.get("x-amzn-errortype", status)).partition(":")[0]


def _log(response: Any, service: str, operation: str, outcome: str) -> None:
    subject = next((str(value) for name in SUBJECTS if (value := response._get_param(name))), "")
    WORLD.calls.add(WORLD.clock.now(), service, operation, response.region, subject, outcome)
