"""Invokes the function that delivers mail: one function, one call."""

import json
from collections.abc import Mapping
from typing import Any

from inbound_admin.lib import aws


def invoke(arn: str, event: Mapping[str, Any]) -> None:
    """Invoke the function asynchronously; it reports the result. It may have run although its response was lost."""
    with aws.calling("lambda", f"call the function {arn}") as functions:
        functions.invoke(FunctionName=arn, InvocationType="Event", Payload=json.dumps(event).encode())
