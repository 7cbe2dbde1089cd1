"""Lambda's Invoke: the event is queued, and the sandbox runs the function itself. moto would start a container."""

import json
from typing import Any
from urllib.parse import unquote

from moto.awslambda.responses import LambdaResponse

from sandbox.aws.state import WORLD


def invoke(self: Any) -> tuple[int, dict[str, str], str]:
    """As for InvocationType "Event", which is how the product calls it."""
    name = unquote(self.path.split("/")[-2])
    self.backend.get_function(name)  # raises as Lambda does for one that is not there
    with WORLD.lock:
        WORLD.mail.add_job(self.region, json.loads(self.body), WORLD.clock.now())
    return 202, {}, ""


LambdaResponse.invoke = invoke  # type: ignore[method-assign]  # as every other operation is extended
