"""The exceptions of the product. `str(problem)` is what the person reads: what failed, why, and what to do."""

import re
from typing import Any

from inbound_admin.lib.foreign_text import escaped

# Sentences about AWS name what staff must do. `told` rewrites them for customers, who can't do it.
NO_PERMISSION = "AWS denied access. Our credentials lack the permission {needs}. Add it to their IAM policy. ({code})"
DENIED = "AWS denied access. Check our credentials. ({code})"
NOT_CONFIGURED = "AWS credentials or region aren't configured. {error}"
ELSEWHERE = "the AWS credentials or AWS_REGION aren't those of this database. Nothing was read or changed."
QUOTA_STEP = "Request an increase from AWS."
QUOTA_USED = f"an AWS quota is used up. {QUOTA_STEP} ({{code}})"

REFUSED_BY_AMAZON = "Amazon refused our request. Only our team can fix this."
_FOR_CUSTOMERS = (
    (re.compile(r"AWS denied access\..*?\(\w*\)"), REFUSED_BY_AMAZON),
    (re.compile(r"AWS credentials or region aren't configured\..*"), REFUSED_BY_AMAZON),
    (re.compile(re.escape(ELSEWHERE)), REFUSED_BY_AMAZON),
    (re.compile(r"an AWS quota is used up\..*?\(\w*\)"), "our AWS quota is used up. Only our team can fix this."),
)
_TRY_AGAIN = re.compile(r"(?: This page may be out of date\.)? Try again in a (?:moment|minute)\.")


def aws_sentence(sentence: str, *, to: Any, retried: bool = False) -> str:
    """Return a sentence about AWS as this user needs it; None is a customer.

    Staff read which permission is missing, customers what it means to them. `retried`: the worker repeats the call, so
    the sentence does not ask the reader to.
    """
    is_staff = getattr(to, "is_staff", False) and getattr(to, "staff_rights", True)  # False: a key without that scope
    for pattern, instead in () if is_staff else _FOR_CUSTOMERS:
        sentence = pattern.sub(instead, sentence)
    return _TRY_AGAIN.sub("", sentence) if retried else sentence


class Problem(Exception):
    """An error with an explanation. `str(problem)` is shown to people."""

    code = "PROBLEM"
    status = 500

    def __init__(self, sentence: str, *, code: str = "") -> None:
        super().__init__(escaped(sentence))  # it may quote what somebody sent, and is stored
        self.code = code or self.code


class Refused(Problem):
    """One of our rules forbids it. Nothing was changed."""

    code = "REFUSED"
    status = 422


class ChangedMeanwhile(Refused):
    """Somebody else changed the row after the form was opened. Nothing was saved."""

    code = "CHANGED_MEANWHILE"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            "Nothing was saved: somebody else made changes after you opened this page. It now shows the current "
            "values. Make your change again."
        )


class DeletedMeanwhile(Refused):
    """Somebody else deleted the row after it was found."""

    code = "DELETED_MEANWHILE"
    status = 404

    def __init__(self) -> None:
        super().__init__("Nothing was saved: somebody else has just deleted it.")


class RateLimited(Refused):
    """Too many requests. `retry_after` is in seconds."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, sentence: str, *, retry_after: int, code: str = "") -> None:
        super().__init__(sentence, code=code)
        self.retry_after = retry_after


_TITLES = {
    "AWS_BUSY": "Amazon SES is limiting our calls",
    "AWS_DENIED": "Amazon SES refuses our credentials",
    "AWS_UNREACHABLE": "Amazon SES isn’t responding",
}


class AwsProblem(Problem):
    """AWS returned an error or didn't respond. Has the AWS error code, message and request ID."""

    code = "AWS_ERROR"
    status = 502

    def __init__(self, sentence: str, *, aws_code: str = "", aws_message: str = "", request_id: str = "") -> None:
        super().__init__(sentence)
        self.aws_code = aws_code
        self.aws_message = escaped(aws_message)
        self.request_id = request_id

    @property
    def title(self) -> str:
        """What SES did, for the heading of a page that needed its answer."""
        return _TITLES.get(self.code, "Amazon SES returned an error")

    @property
    def in_full(self) -> str:
        """The sentence with AWS's own message, for operators only: it names accounts, ARNs and buckets."""
        if not self.aws_message:
            return str(self)
        aws_text = self.aws_message.rstrip()
        return f"{self} AWS message: {aws_text}{'' if aws_text.endswith(('.', '!', '?')) else '.'}"


class AwsMissing(AwsProblem):
    """AWS reported that the resource does not exist. Never guessed."""

    code = "AWS_MISSING"


class AwsConflict(AwsProblem):
    """The resource already exists, or is in a state that forbids the call."""

    code = "AWS_CONFLICT"


class AwsDenied(AwsProblem):
    """Our credentials are missing, invalid or lack the permission."""

    code = "AWS_DENIED"


class AwsBusy(AwsProblem):
    """AWS throttles, or our own rate limit has no free slot soon enough."""

    code = "AWS_BUSY"
    status = 503


class AwsUnreachable(AwsProblem):
    """No response. Whether the call was applied is unknown."""

    code = "AWS_UNREACHABLE"
    status = 503


class NotAllowed(Refused):
    """The person can see the object but isn't allowed to do this."""

    code = "NOT_ALLOWED"
    status = 403


class Detailed(Refused):
    """With `details` for programs."""

    def __init__(self, sentence: str, *, code: str = "", details: Any = None) -> None:
        super().__init__(sentence, code=code)
        self.details = details


class Malformed(Detailed):
    """The request itself is invalid."""

    code = "MALFORMED"
    status = 400


class WrongContentType(Refused):
    code = "WRONG_CONTENT_TYPE"
    status = 415


class Conflict(Detailed):
    """The current state forbids it."""

    code = "CONFLICT"
    status = 409
