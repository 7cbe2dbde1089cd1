"""Lambda's Invoke: the event is queued, and the sandbox runs the function itself. moto would start a container.

GetFunction returns the settings and the code that the function runs with here, as the template would set them.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.awslambda.responses import LambdaResponse

import receiving
from receipt_rules.receiving_stack.core import code_archive, code_hash
from sandbox.aws.state import WORLD


def invoke(self: Any) -> tuple[int, dict[str, str], str]:
    """Invoke with InvocationType "Event", as the product does."""
    name = unquote(self.path.split("/")[-2])
    self.backend.get_function(name)  # raises as Lambda does for a missing function
    with WORLD.lock:
        WORLD.mail.add_job(self.region, json.loads(self.body), WORLD.clock.now())
    return 202, {}, ""


_plain = LambdaResponse.get_function
_FILES = {f"receiving/{path.name}": path.read_bytes() for path in Path(receiving.__file__).parent.glob("*.py")}
_CODE_HASH = code_hash(code_archive(_FILES))


def get_function(self: Any) -> str:
    body = _plain(self)
    if not WORLD.receiver[0]:
        return body
    response = json.loads(body)
    variables = {"INBOUND_ADMIN_URL": WORLD.receiver[0], "FORWARD_FROM": WORLD.forward_from}
    response["Configuration"] |= {"Environment": {"Variables": variables}, "CodeSha256": _CODE_HASH}
    return json.dumps(response)


LambdaResponse.get_function = get_function  # type: ignore[method-assign]  # as every other operation is extended
LambdaResponse.invoke = invoke  # type: ignore[method-assign]  # as every other operation is extended
