"""What the set-up check says of one thing."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    COULD_NOT_TELL = "could not tell"


class Button(StrEnum):
    """What an operator may let us do about it, after a preview."""

    NONE = ""
    BUCKET_POLICY = "bucket_policy"
    FUNCTION_PERMISSION = "function_permission"


@dataclass(frozen=True)
class Finding:
    """`repair` says what to do, "" where nothing is; `paste` is a policy or a command to copy.

    `shown` is the policy as it is. `button` is for the thing that is called `name`.
    """

    what: str
    verdict: Verdict
    sentence: str
    repair: str = ""
    paste: str = ""
    shown: str = ""
    button: Button = Button.NONE
    name: str = ""
