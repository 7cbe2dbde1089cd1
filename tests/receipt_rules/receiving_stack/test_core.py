"""The template passes cfn-lint, and its role has exactly the policy of the README."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from receipt_rules.receiving_stack.core import code_archive, code_key, filled_template

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "receiving" / "template.json"
SUBSTITUTES = {
    "arn:aws:s3:::YOUR-BUCKET": "arn:${AWS::Partition}:s3:::${BucketName}",
    "arn:aws:lambda:YOUR-REGION:YOUR-ACCOUNT:function:YOUR-FUNCTION": (
        "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${FunctionName}"
    ),
}


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TEMPLATE.read_text())
    return found


def test_cfn_lint_reports_nothing() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(lint), "--regions", "eu-west-1", "us-east-1", "--", str(TEMPLATE)]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (made.stdout, made.stderr, made.returncode) == ("", "", 0)


def test_the_panels_role_has_exactly_the_policy_of_the_readme() -> None:
    """`tests/test_readme.py` compares that policy with our gateways. `STACK=write` writes it into the template."""
    policy = json.loads((ROOT / "README.md").read_text().partition("```json")[2].partition("```")[0])
    expected = [statement | {"Resource": _resource(statement["Resource"])} for statement in policy["Statement"]]
    if os.environ.get("STACK") == "write":
        _write(expected)
    (inline,) = document()["Resources"]["PanelRole"]["Properties"]["Policies"]
    assert inline["PolicyDocument"]["Statement"] == expected


def _write(statements: list[dict[str, Any]]) -> None:
    found = document()
    found["Resources"]["PanelRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] = statements
    TEMPLATE.write_text(json.dumps(found, indent=2) + "\n")


def _resource(given: Any) -> Any:
    return given if given == "*" else [{"Fn::Sub": SUBSTITUTES[each]} for each in given]


def test_the_outputs_name_all_settings_of_the_setup_page() -> None:
    descriptions = " ".join(each["Description"] for each in document()["Outputs"].values())
    for setting in ("RECEIVING_BUCKET", "RECEIVING_FUNCTION", "RECEIVING_TOPIC"):
        assert setting in descriptions


def test_the_function_reads_every_variable_that_the_template_sets() -> None:
    read = (ROOT / "receiving" / "deployment.py").read_text()
    variables = document()["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    assert [name for name in variables if f'"{name}"' not in read] == []


def test_the_retry_queues_visibility_timeout_is_six_times_the_functions_timeout() -> None:
    """Lambda's guide asks for it; otherwise a message is delivered again while it is still processed."""
    resources = document()["Resources"]
    timeout = resources["Function"]["Properties"]["Timeout"]
    assert resources["Retries"]["Properties"]["VisibilityTimeout"] >= 6 * timeout


def test_given_names_become_defaults_and_empty_ones_change_nothing() -> None:
    made = json.loads(filled_template(TEMPLATE.read_text(), {"BucketName": "my-mail", "SiteUrl": ""}))["Parameters"]
    plain = document()["Parameters"]
    assert made["BucketName"]["Default"] == "my-mail"
    assert made["SiteUrl"] == plain["SiteUrl"]
    with pytest.raises(KeyError):
        filled_template(TEMPLATE.read_text(), {"Bucket": "x"})


def test_equal_code_gives_an_equal_archive_and_other_code_another_key() -> None:
    files = {"receiving/b.py": b"2", "receiving/a.py": b"1"}
    archive = code_archive(files)
    assert archive == code_archive(dict(reversed(files.items())))
    assert code_key(archive) != code_key(code_archive(files | {"receiving/a.py": b"3"}))
    assert zipfile.ZipFile(io.BytesIO(archive)).read("receiving/a.py") == b"1"
