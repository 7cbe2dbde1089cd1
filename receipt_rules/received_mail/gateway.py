"""Asks the function that delivers mail: one function, one call."""

import json
from collections.abc import Mapping
from typing import Any

from inbound_admin.lib import aws


def invoke(arn: str, event: Mapping[str, Any]) -> None:
    """It runs later, and reports by itself. A lost answer may have been a call."""
    with aws.calling("lambda", f"call the function {arn}") as functions:
        functions.invoke(FunctionName=arn, InvocationType="Event", Payload=json.dumps(event).encode())
