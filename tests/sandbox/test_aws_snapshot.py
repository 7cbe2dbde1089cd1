"""The sandbox's state across restarts."""

import pickle
from pathlib import Path

import pytest

from sandbox import snapshot
from sandbox.aws.state import WORLD
from sandbox.control import Control
from sandbox.mail.log import SinkCall
from sandbox.process import Sandbox
from sandbox.seed import BUCKET
from tests.sandbox.conftest import Aws


def _fill(sandbox: Sandbox) -> Control:
    made = Aws(sandbox.aws_url)
    made.ses.verify_domain_identity(Domain="example.com")
    made.ses.create_receipt_rule_set(RuleSetName="mail-set")
    made.sesv2.create_tenant(TenantName="alice", Tags=[{"Key": "a", "Value": "b"}])
    sandbox.control.add_zone("example.com")
    sandbox.control.set_limits(rules=7)
    sandbox.control.advance_clock(3600)
    sandbox.control.set_throttle(5.0)
    return sandbox.control


def test_the_state_survives_a_restart(local: Sandbox, tmp_path: Path) -> None:
    with Sandbox(state_dir=tmp_path) as first:
        held = _fill(first)
        offset = held.now()
    local.control.reset()
    with Sandbox(state_dir=tmp_path) as second:
        assert second.control.now() > offset
        assert second.control.limits()["rules"] == 7
        assert second.control.list_zones() == ("example.com",)
        assert second.control.throttle() == 5.0
        second.control.set_throttle(None)
        back = Aws(second.aws_url)
        assert back.ses.list_identities()["Identities"] == ["example.com"]
        assert back.sesv2.get_tenant(TenantName="alice")["Tenant"]["Tags"] == [{"Key": "a", "Value": "b"}]
        assert [one["Name"] for one in back.ses.list_receipt_rule_sets()["RuleSets"]] == ["mail-set"]


def test_the_bucket_and_the_function_exist_at_every_start(local: Sandbox, tmp_path: Path) -> None:
    with Sandbox(state_dir=tmp_path) as sandbox:
        made = Aws(sandbox.aws_url)
        assert made.client("s3").list_buckets()["Buckets"][0]["Name"] == "inbound-mail"
        functions = made.client("lambda", "eu-west-1").list_functions()["Functions"]
        assert [one["FunctionName"] for one in functions] == ["inbound-mail-handler"]


@pytest.mark.parametrize("damage", ["another version", "cut off"])
def test_an_unreadable_snapshot_is_set_aside(local: Sandbox, tmp_path: Path, damage: str) -> None:
    with Sandbox(state_dir=tmp_path) as first:
        _fill(first)
    file = tmp_path / snapshot.FILE
    held = pickle.loads(file.read_bytes())  # noqa: S301 - written above
    older = pickle.dumps({**held, "stamp": {**held["stamp"], "moto": "0"}})
    file.write_bytes(older if damage == "another version" else file.read_bytes()[:100])
    local.control.reset()
    with Sandbox(state_dir=tmp_path) as second:
        assert second.control.list_zones() == ()
        assert (tmp_path / snapshot.UNREADABLE).exists()
        assert Aws(second.aws_url).ses.list_identities()["Identities"] == []


def test_several_changes_are_written_once(local: Sandbox, tmp_path: Path) -> None:
    kept = snapshot.Snapshot(tmp_path, local.zones, delay=60)
    kept.save_soon()
    waiting = kept._timer
    kept.save_soon()
    assert (kept._timer is waiting, kept.path.exists()) == (True, False)
    kept.stop()
    assert kept.path.exists()


def test_received_mail_survives_a_restart(local: Sandbox, tmp_path: Path) -> None:
    with Sandbox(state_dir=tmp_path) as first:
        s3 = Aws(first.aws_url).client("s3")
        s3.put_object(Bucket=BUCKET, Key="in/one message", Body=b"Subject: one\r\n\r\n1")
        s3.put_object(Bucket=BUCKET, Key="two", Body=b"2")
        stored = s3.head_object(Bucket=BUCKET, Key="two")["LastModified"]
        first.save()
        s3.delete_object(Bucket=BUCKET, Key="in/one message")
        s3.put_object(Bucket=BUCKET, Key="three", Body=b"3")
        with WORLD.lock:
            WORLD.mail.calls.append(SinkCall(WORLD.clock.now(), "demo", 200, {}, "{}"))
    local.control.reset()
    with Sandbox(state_dir=tmp_path) as second:
        s3 = Aws(second.aws_url).client("s3")
        assert [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["three", "two"]
        assert s3.get_object(Bucket=BUCKET, Key="two")["Body"].read() == b"2"
        assert s3.head_object(Bucket=BUCKET, Key="two")["LastModified"] == stored
        assert [call.name for call in second.control.sink_calls()] == ["demo"]
        assert s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
