"""The promises of the README: the IAM policy allows each call of a gateway, and no link is dead."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from botocore import xform_name
from botocore.session import Session

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
# IAM actions whose name differs from the operation's.
ACTIONS = {"s3:ListObjectsV2": "s3:ListBucket", "lambda:Invoke": "lambda:InvokeFunction"}
PREFIXES = {
    "ses": "ses",
    "sesv2": "ses",
    "s3": "s3",
    "lambda": "lambda",
    "sns": "sns",
    "cloudwatch": "cloudwatch",
    "logs": "logs",
    "mailmanager": "ses",
}


def calls() -> Iterator[tuple[str, str]]:
    """Yield service and method of each call inside `with aws.calling(service, ...) as client`."""
    for path in sorted((*ROOT.glob("*/*/gateway.py"), *ROOT.glob("*/*/gateway/*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.With):
                yield from _calls_inside(node)


def _calls_inside(node: ast.With) -> Iterator[tuple[str, str]]:
    opened = node.items[0].context_expr
    if not (isinstance(opened, ast.Call) and ast.unparse(opened.func) == "aws.calling"):
        return
    client = ast.unparse(node.items[0].optional_vars) if node.items[0].optional_vars else ""
    service = ast.literal_eval(opened.args[0])
    for inner in ast.walk(node):
        if not (isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)):
            continue
        if ast.unparse(inner.func.value) == client:
            yield service, inner.func.attr


@cache
def operations(service: str) -> dict[str, str]:
    """Return the operation's name by its boto3 method."""
    names = Session().get_service_model(service).operation_names
    return {xform_name(name): str(name) for name in names}


def action(service: str, method: str) -> str:
    name = f"{PREFIXES[service]}:{operations(service)[method]}"
    return ACTIONS.get(name, name)


def test_the_policy_allows_each_call_of_a_gateway() -> None:
    policy = json.loads(README.partition("```json")[2].partition("```")[0])
    allowed = {each for statement in policy["Statement"] for each in statement["Action"]}
    made = set(calls())
    assert len(made) > 40
    assert not {action(*call) for call in made} - allowed


def test_every_linked_file_exists() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
