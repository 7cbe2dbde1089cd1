"""Lambda's AddPermission: moto accepts a statement ID twice, Lambda refuses the second."""

import json
from typing import Any
from urllib.parse import unquote

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.responses import LambdaResponse

_plain = LambdaResponse.add_permission


def add_permission(self: Any) -> str:
    name, sid = unquote(self.path.split("/")[-2]), json.loads(self.body)["StatementId"]
    there = self.backend.get_function(name).policy.statements
    if any(statement.get("Sid") == sid for statement in there):
        raise LambdaClientError("ResourceConflictException", f"The statement id ({sid}) provided already exists.")
    return _plain(self)


LambdaResponse.add_permission = add_permission  # type: ignore[method-assign]  # as every other operation is extended
