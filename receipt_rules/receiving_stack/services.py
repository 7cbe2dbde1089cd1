"""The template of the receiving stack, the function's code, and which parts of the stack exist.

A stack that someone created by hand counts too, so the check looks for the parts, not for the stack's name.
"""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from inbound_admin.lib.errors import AwsProblem
from receipt_rules.permissions import services as permissions_services
from receipt_rules.receiving_setup import gateway
from receipt_rules.receiving_setup.core import SetupFinding, SetupVerdict, could_not_tell
from receipt_rules.receiving_stack.core import code_archive, code_hash, code_key, filled_template


def template_for_here(*, key: str = "") -> str:
    """Return the template as JSON. `key`: the object with the code, if it was packed."""
    names = {
        "BucketName": settings.RECEIVING_BUCKET,
        "FunctionName": settings.RECEIVING_FUNCTION.rpartition(":function:")[2],
        "SiteUrl": settings.SITE_URL.rstrip("/"),
        "CodeKey": key,
    }
    return filled_template((_folder() / "template.json").read_text(), names)


def pack_code() -> tuple[str, bytes]:
    """Return the object key of the function's code, and the archive."""
    files = {f"receiving/{path.name}": path.read_bytes() for path in _folder().glob("*.py")}
    archive = code_archive(files)
    return code_key(archive), archive


DEPLOY = "manage.py receiving_stack --code writes this version's archive. Deploy it as docs/first-hour.md says."
SENDER = "Set the stack's parameter ForwardFrom to an address of a verified identity, without a name."
PRINT = "manage.py receiving_stack prints a template that includes it."
ALARMS = {
    ("AWS/SES", "PublishExpired"): "mail that SES gives up on",
    ("AWS/Lambda", "Errors"): "errors of the function",
}


def stack_findings() -> Iterator[SetupFinding]:
    """Check the function's version, what keeps failed events, and who is notified of failures. At least three calls."""
    for what, check in (("Function code", _code), ("Retries", _retries), ("Alarms", _alarms)):
        try:
            yield from check()
        except AwsProblem as problem:
            yield could_not_tell(what, problem)


def _code() -> Iterator[SetupFinding]:
    """Compare the code of functions that have our settings with this version's, and check the sender among these."""
    functions = {arn: gateway.get_function(arn) for arn in permissions_services.functions()}
    ours = {arn: each for arn, each in functions.items() if "INBOUND_ADMIN_URL" in each.variables}
    wanted = code_hash(pack_code()[1])
    old = [arn for arn, each in ours.items() if each.code_hash != wanted]
    if old:
        sentence = f"The code of {old[0]} isn't this version's: it is older, or was packed differently."
        yield SetupFinding("Function code", SetupVerdict.COULD_NOT_TELL, sentence, DEPLOY)
    elif ours:
        yield SetupFinding("Function code", SetupVerdict.RIGHT, "The function has this version's code.")
    for sender in sorted({each.variables.get("FORWARD_FROM", "") for each in ours.values()} - {""}):
        try:
            validate_email(sender)
        except ValidationError:
            sentence = f"The sender of forwarded mail, {sender}, isn't an email address, so none is forwarded."
            yield SetupFinding("Forwarding", SetupVerdict.WRONG, sentence, SENDER)


def _retries() -> Iterator[SetupFinding]:
    """Lambda retries twice within minutes, then drops the event."""
    functions = permissions_services.functions()
    without = [arn for arn in functions if not gateway.get_failure_destination(arn)]
    if not functions:
        yield SetupFinding("Retries", SetupVerdict.RIGHT, "No function is set, so none can fail.")
    elif without:
        sentence = f"{without[0]} has no on-failure destination: an event that fails three times isn't retried."
        yield SetupFinding("Retries", SetupVerdict.WRONG, sentence, PRINT)
    else:
        yield SetupFinding("Retries", SetupVerdict.RIGHT, "Failed events go to the function's on-failure destination.")


def _alarms() -> Iterator[SetupFinding]:
    watched = gateway.alarmed_metrics()
    missing = [words for metric, words in ALARMS.items() if metric not in watched]
    if missing:
        sentence = f"No CloudWatch alarm watches {' and '.join(missing)}."
        yield SetupFinding("Alarms", SetupVerdict.WRONG, sentence, PRINT)
    else:
        yield SetupFinding("Alarms", SetupVerdict.RIGHT, f"Alarms watch {' and '.join(ALARMS.values())}.")


def _folder() -> Path:
    return Path(settings.BASE_DIR) / "receiving"
