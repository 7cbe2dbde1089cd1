"""The gateways of S3, Lambda, SNS and the IP filters against the sandbox."""

import json

import pytest

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing
from receipt_rules.live import gateway as live_gateway
from receipt_rules.live.core import IpFilter
from receipt_rules.receiving_setup import gateway as receiving_setup_gateway
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_bucket

pytestmark = pytest.mark.django_db
ACCOUNT = "123456789012"
POLICY = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def function(sandbox: Sandbox) -> str:
    return f"arn:aws:lambda:{aws.client('lambda').meta.region_name}:{ACCOUNT}:function:inbound-mail-handler"


def test_a_bucket_tells_its_region_also_where_s3_says_none(sandbox: Sandbox) -> None:
    assert receiving_setup_gateway.get_bucket_location("inbound-mail") == "us-east-1"
    make_bucket("here-it-is")
    assert receiving_setup_gateway.get_bucket_location("here-it-is") == aws.client("s3").meta.region_name


def test_a_bucket_that_is_not_there_is_missing_and_one_without_a_policy_is_not(sandbox: Sandbox) -> None:
    make_bucket("bare-bucket")
    assert receiving_setup_gateway.get_bucket_policy("bare-bucket") == ""
    for read in (receiving_setup_gateway.get_bucket_location, receiving_setup_gateway.get_bucket_policy):
        with pytest.raises(AwsMissing):
            read("not-there")
    with pytest.raises(AwsMissing):
        receiving_setup_gateway.put_bucket_policy("not-there", POLICY, account=ACCOUNT)


def test_the_policy_that_is_written_is_read(sandbox: Sandbox) -> None:
    receiving_setup_gateway.put_bucket_policy("inbound-mail", POLICY, account=ACCOUNT)
    assert json.loads(receiving_setup_gateway.get_bucket_policy("inbound-mail")) == json.loads(POLICY)


def test_a_function_tells_its_state_and_one_that_is_not_there_is_missing(function: str) -> None:
    assert receiving_setup_gateway.get_function(function).state == "Active"
    with pytest.raises(AwsMissing):
        receiving_setup_gateway.get_function(f"{function}-not-there")


def test_a_function_that_nobody_may_call_has_no_policy(function: str) -> None:
    assert receiving_setup_gateway.get_policy(f"{function}-not-there") == ""


def test_a_permission_that_is_added_is_read_and_its_name_is_taken(function: str) -> None:
    receiving_setup_gateway.add_permission(function, sid="Ours", account=ACCOUNT)
    added = json.loads(receiving_setup_gateway.get_policy(function))["Statement"][-1]
    assert (added["Sid"], added["Principal"]) == ("Ours", {"Service": "ses.amazonaws.com"})
    assert added["Condition"] == {"StringEquals": {"AWS:SourceAccount": ACCOUNT}}
    with pytest.raises(AwsConflict):
        receiving_setup_gateway.add_permission(function, sid="Ours", account=ACCOUNT)


def test_a_topic_tells_its_policy_and_key(sandbox: Sandbox) -> None:
    arn = aws.client("sns").create_topic(Name="mail", Attributes={"KmsMasterKeyId": "alias/mail"})["TopicArn"]
    found = receiving_setup_gateway.get_topic_attributes(arn)
    assert (json.loads(found.policy)["Statement"][0]["Effect"], found.kms_key) == ("Allow", "alias/mail")
    with pytest.raises(AwsMissing):
        receiving_setup_gateway.get_topic_attributes(f"{arn}-not-there")


def test_filters_are_read_as_they_were_made(sandbox: Sandbox) -> None:
    assert live_gateway.list_receipt_filters() == ()
    for name, does in (("one", "Block"), ("two", "Allow")):
        made = {"Name": name, "IpFilter": {"Policy": does, "Cidr": "192.0.2.0/24"}}
        aws.client("ses").create_receipt_filter(Filter=made)
    assert set(live_gateway.list_receipt_filters()) == {
        IpFilter("one", "192.0.2.0/24", True),
        IpFilter("two", "192.0.2.0/24", False),
    }


def test_the_others_do_not_wait_for_the_pace_of_ses(sandbox: Sandbox, settings: object) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.001  # type: ignore[attr-defined]  # pytest-django's
    with aws.max_wait(0):
        for _ in range(3):
            assert receiving_setup_gateway.get_bucket_location("inbound-mail")
