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


def test_the_buckets_region_is_read_even_if_s3_returns_none(sandbox: Sandbox) -> None:
    assert receiving_setup_gateway.get_bucket_location("inbound-mail") == "us-east-1"
    make_bucket("here-it-is")
    assert receiving_setup_gateway.get_bucket_location("here-it-is") == aws.client("s3").meta.region_name


def test_a_missing_bucket_raises_but_one_without_a_policy_does_not(sandbox: Sandbox) -> None:
    make_bucket("bare-bucket")
    assert receiving_setup_gateway.get_bucket_policy("bare-bucket") == ""
    for read in (receiving_setup_gateway.get_bucket_location, receiving_setup_gateway.get_bucket_policy):
        with pytest.raises(AwsMissing):
            read("not-there")
    with pytest.raises(AwsMissing):
        receiving_setup_gateway.put_bucket_policy("not-there", POLICY, account=ACCOUNT)


def test_the_bucket_policy_is_read_as_written(sandbox: Sandbox) -> None:
    receiving_setup_gateway.put_bucket_policy("inbound-mail", POLICY, account=ACCOUNT)
    assert json.loads(receiving_setup_gateway.get_bucket_policy("inbound-mail")) == json.loads(POLICY)


def test_a_functions_state_is_read_and_a_missing_function_raises(function: str) -> None:
    assert receiving_setup_gateway.get_function(function).state == "Active"
    with pytest.raises(AwsMissing):
        receiving_setup_gateway.get_function(f"{function}-not-there")


def test_a_function_without_permissions_has_no_policy(function: str) -> None:
    assert receiving_setup_gateway.get_policy(f"{function}-not-there") == ""


def test_an_added_permission_is_read_and_its_sid_cannot_be_reused(function: str) -> None:
    receiving_setup_gateway.add_permission(function, sid="Ours", account=ACCOUNT)
    added = json.loads(receiving_setup_gateway.get_policy(function))["Statement"][-1]
    assert (added["Sid"], added["Principal"]) == ("Ours", {"Service": "ses.amazonaws.com"})
    assert added["Condition"] == {"StringEquals": {"AWS:SourceAccount": ACCOUNT}}
    with pytest.raises(AwsConflict):
        receiving_setup_gateway.add_permission(function, sid="Ours", account=ACCOUNT)


def test_a_topics_policy_and_kms_key_are_read(sandbox: Sandbox) -> None:
    arn = aws.client("sns").create_topic(Name="mail", Attributes={"KmsMasterKeyId": "alias/mail"})["TopicArn"]
    found = receiving_setup_gateway.get_topic_attributes(arn)
    assert (json.loads(found.policy)["Statement"][0]["Effect"], found.kms_key) == ("Allow", "alias/mail")
    with pytest.raises(AwsMissing):
        receiving_setup_gateway.get_topic_attributes(f"{arn}-not-there")


def test_ip_filters_are_read_as_created(sandbox: Sandbox) -> None:
    assert live_gateway.list_receipt_filters() == ()
    for name, does in (("one", "Block"), ("two", "Allow")):
        made = {"Name": name, "IpFilter": {"Policy": does, "Cidr": "192.0.2.0/24"}}
        aws.client("ses").create_receipt_filter(Filter=made)
    assert set(live_gateway.list_receipt_filters()) == {
        IpFilter("one", "192.0.2.0/24", True),
        IpFilter("two", "192.0.2.0/24", False),
    }


def test_calls_to_other_services_do_not_wait_for_the_ses_rate_limit(sandbox: Sandbox, settings: object) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.001  # type: ignore[attr-defined]  # pytest-django's
    with aws.max_wait(0):
        for _ in range(3):
            assert receiving_setup_gateway.get_bucket_location("inbound-mail")
