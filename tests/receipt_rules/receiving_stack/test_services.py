"""The command's output, the packed code, and the check for missing parts of the stack."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from moto.awslambda.models import lambda_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from pytest_django import Settings

from receipt_rules.receiving_setup.core import SetupVerdict
from receipt_rules.receiving_stack.services import stack_findings
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from sandbox.seed import FUNCTION

REGION = "eu-west-1"


def test_the_command_prints_a_template_with_this_deployments_names(settings: Settings, tmp_path: Path) -> None:
    settings.RECEIVING_BUCKET, settings.SITE_URL = "acme-mail", "https://panel.acme.example/"
    settings.RECEIVING_FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:acme-handler"
    out, err = StringIO(), StringIO()
    call_command("receiving_stack", code=str(tmp_path), stdout=out, stderr=err)
    made = {name: each.get("Default") for name, each in json.loads(out.getvalue())["Parameters"].items()}
    (archive,) = tmp_path.iterdir()
    assert (made["BucketName"], made["FunctionName"]) == ("acme-mail", "acme-handler")
    assert (made["SiteUrl"], made["CodeKey"]) == ("https://panel.acme.example", archive.name)
    assert archive.name in err.getvalue()


def test_the_packed_code_imports_only_itself_and_boto3(tmp_path: Path) -> None:
    call_command("receiving_stack", code=str(tmp_path), stdout=StringIO(), stderr=StringIO())
    (archive,) = tmp_path.iterdir()
    program = f"""
import sys
sys.path[:] = [{str(archive)!r}] + [each for each in sys.path if each]
from receiving.handler import handler
assert {archive.name!r} in sys.modules["receiving"].__file__
ours = [name for name in sys.modules if name.split(".")[0] in ("django", "receipt_rules", "inbound_admin")]
assert not ours, ours
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="Can't write to"):
        call_command("receiving_stack", code=str(tmp_path / "file"), stdout=StringIO(), stderr=StringIO())


def verdicts() -> dict[str, SetupVerdict]:
    return {each.what: each.verdict for each in stack_findings()}


@pytest.mark.django_db
def test_the_check_names_missing_parts_of_the_stack(sandbox: Sandbox) -> None:
    assert verdicts() == {"Retries": SetupVerdict.RIGHT, "Alarms": SetupVerdict.RIGHT}
    lambda_backends[DEFAULT_ACCOUNT_ID][REGION].get_function(FUNCTION).event_invoke_config.clear()
    cloudwatch_backends[DEFAULT_ACCOUNT_ID][REGION].delete_alarms(["mail-expired"])
    assert verdicts() == {"Retries": SetupVerdict.WRONG, "Alarms": SetupVerdict.WRONG}
    missing = next(each for each in stack_findings() if each.what == "Alarms")
    assert "mail that SES gives up on" in missing.sentence
    assert "errors of the function" not in missing.sentence


@pytest.mark.django_db
def test_a_failed_read_is_not_reported_as_missing(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("error", "DescribeAlarms", times=None)
    assert verdicts()["Alarms"] is SetupVerdict.COULD_NOT_TELL


@pytest.mark.django_db
def test_an_old_version_of_our_function_is_found_and_others_code_is_not_judged(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Function code" not in verdicts(), "it has none of our settings"
    monkeypatch.setattr(WORLD, "receiver", ("https://panel.example", "key"))
    assert verdicts()["Function code"] is SetupVerdict.RIGHT
    assert "Forwarding" not in verdicts()
    monkeypatch.setattr(WORLD, "forward_from", "Panel <forward@panel.example>")
    assert verdicts()["Forwarding"] is SetupVerdict.WRONG
    monkeypatch.setattr("sandbox.aws.functions._CODE_HASH", "another")
    assert verdicts()["Function code"] is SetupVerdict.COULD_NOT_TELL
    sandbox.control.add_fault("error", "GetFunction", times=None)
    assert verdicts()["Function code"] is SetupVerdict.COULD_NOT_TELL
