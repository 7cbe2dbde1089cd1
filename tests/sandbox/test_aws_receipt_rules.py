"""Receipt rules where moto is lax: limits, recipients, permissions, defaults, order."""

import json
from typing import Any

import pytest

from sandbox.process import Sandbox
from tests.sandbox.conftest import ACCOUNT, REGION, Aws, refusal

SET = "mail-set"


@pytest.fixture
def ses(fake_aws: Aws) -> Any:
    client = fake_aws.ses
    client.create_receipt_rule_set(RuleSetName=SET)
    return client


def _rule(name: str = "mail", **members: Any) -> dict[str, Any]:
    return {"RuleSetName": SET, "Rule": {"Name": name, **members}}


def _names(ses: Any) -> list[str]:
    return [rule["Name"] for rule in ses.describe_receipt_rule_set(RuleSetName=SET)["Rules"]]


def test_defaults_are_filled_in(ses: Any) -> None:
    ses.create_receipt_rule(**_rule(Recipients=["example.com"]))
    assert ses.describe_receipt_rule(RuleSetName=SET, RuleName="mail")["Rule"] == {
        "Name": "mail", "Enabled": False, "TlsPolicy": "Optional", "ScanEnabled": False,
        "Recipients": ["example.com"], "Actions": [],
    }  # fmt: skip


def test_an_update_replaces_the_whole_rule_in_place(ses: Any) -> None:
    ses.create_receipt_rule(**_rule("second"))
    ses.create_receipt_rule(**_rule("first", Enabled=True, Recipients=["example.com"]))
    ses.update_receipt_rule(**_rule("first", ScanEnabled=True))
    rule = ses.describe_receipt_rule(RuleSetName=SET, RuleName="first")["Rule"]
    assert (rule["Enabled"], rule["Recipients"], rule["ScanEnabled"], _names(ses)) == (
        False, [], True, ["first", "second"],
    )  # fmt: skip


def test_a_rule_with_a_used_name_is_a_conflict(ses: Any) -> None:
    ses.create_receipt_rule(**_rule(Recipients=["example.com"]))
    assert refusal(ses.create_receipt_rule, **_rule(Recipients=["example.net"]))[0] == "AlreadyExists"


@pytest.mark.parametrize("write", ["create_receipt_rule", "update_receipt_rule"])
@pytest.mark.parametrize("recipient", ["mail.invalid", "*@example.com", "example", "a b@example.com", ""])
def test_a_malformed_recipient_is_refused(ses: Any, write: str, recipient: str) -> None:
    if write == "update_receipt_rule":
        ses.create_receipt_rule(**_rule())
    code, message, _ = refusal(getattr(ses, write), **_rule(Recipients=[recipient]))
    assert (code, message) == ("InvalidParameterValue", f"Invalid recipient: {recipient}")


@pytest.mark.parametrize("write", ["create_receipt_rule", "update_receipt_rule"])
def test_limits_are_checked_before_syntax(ses: Any, write: str) -> None:
    if write == "update_receipt_rule":
        ses.create_receipt_rule(**_rule())
    call = getattr(ses, write)
    assert refusal(call, **_rule(Recipients=["mail.invalid"] * 501))[:2] == ("LimitExceeded", "Too many recipients")
    stops = [{"StopAction": {"Scope": "RuleSet"}}] * 11
    assert refusal(call, **_rule(Actions=stops))[:2] == ("LimitExceeded", "Too many actions")
    call(**_rule(Recipients=[f"u{number}@example.com" for number in range(500)], Actions=stops[:10]))


def test_a_full_rule_set_refuses_another_rule(local: Sandbox, over_http: Aws) -> None:
    local.control.set_limits(rules=2, rule_sets=1)
    ses = over_http.ses
    ses.create_receipt_rule_set(RuleSetName=SET)
    ses.create_receipt_rule(**_rule("one"))
    ses.create_receipt_rule(**_rule("two"))
    assert refusal(ses.create_receipt_rule, **_rule("three"))[:2] == ("LimitExceeded", "Too many rules")
    assert refusal(ses.create_receipt_rule_set, RuleSetName="another")[0] == "LimitExceeded"


@pytest.mark.parametrize(("name", "code"), [("a b", "ValidationError"), ("a" * 65, "InvalidParameterValue")])
def test_names_are_checked(ses: Any, name: str, code: str) -> None:
    assert refusal(ses.create_receipt_rule, **_rule(name))[0] == code
    assert refusal(ses.create_receipt_rule_set, RuleSetName=name)[0] == code


def test_rules_are_moved_and_reordered(ses: Any) -> None:
    for name in ("c", "b", "a"):
        ses.create_receipt_rule(**_rule(name))
    ses.set_receipt_rule_position(RuleSetName=SET, RuleName="a", After="b")
    assert _names(ses) == ["b", "a", "c"]
    ses.set_receipt_rule_position(RuleSetName=SET, RuleName="a", After="a")
    assert _names(ses) == ["b", "a", "c"]
    ses.set_receipt_rule_position(RuleSetName=SET, RuleName="c")
    assert _names(ses) == ["c", "b", "a"]
    ses.reorder_receipt_rule_set(RuleSetName=SET, RuleNames=["a", "b", "c"])
    assert _names(ses) == ["a", "b", "c"]


def test_a_reorder_without_all_rules_changes_nothing(ses: Any) -> None:
    for name in ("b", "a"):
        ses.create_receipt_rule(**_rule(name))
    assert refusal(ses.reorder_receipt_rule_set, RuleSetName=SET, RuleNames=["b"])[0] == "InvalidParameterValue"
    unknown = ["b", "a", "x"]
    assert refusal(ses.reorder_receipt_rule_set, RuleSetName=SET, RuleNames=unknown)[0] == "RuleDoesNotExist"
    assert _names(ses) == ["a", "b"]


def test_a_missing_rule_or_set_is_named(ses: Any) -> None:
    missing_set = {"RuleSetName": "none"}
    assert refusal(ses.create_receipt_rule, **missing_set, Rule={"Name": "a"})[0] == "RuleSetDoesNotExist"
    assert refusal(ses.delete_receipt_rule, **missing_set, RuleName="a")[0] == "RuleSetDoesNotExist"
    assert refusal(ses.update_receipt_rule, **_rule())[0] == "RuleDoesNotExist"
    assert refusal(ses.create_receipt_rule, **_rule(), After="none")[0] == "RuleDoesNotExist"
    assert refusal(ses.create_receipt_rule, **_rule(), After="")[0] == "ValidationError"
    ses.delete_receipt_rule(RuleSetName=SET, RuleName="none")
    ses.delete_receipt_rule_set(RuleSetName="none")


def test_the_active_set_cannot_be_deleted(ses: Any) -> None:
    ses.set_active_receipt_rule_set(RuleSetName=SET)
    assert refusal(ses.delete_receipt_rule_set, RuleSetName=SET)[0] == "CannotDelete"
    ses.set_active_receipt_rule_set()
    ses.delete_receipt_rule_set(RuleSetName=SET)


def _s3(bucket: str, **members: str) -> dict[str, Any]:
    return _rule(Actions=[{"S3Action": {"BucketName": bucket, **members}}])


def test_ses_leaves_its_test_object_in_the_bucket(ses: Any, fake_aws: Aws) -> None:
    ses.create_receipt_rule(**_s3("inbound-mail", ObjectKeyPrefix="mail/"))
    held = fake_aws.client("s3").list_objects_v2(Bucket="inbound-mail")["Contents"]
    assert [item["Key"] for item in held] == ["mail/AMAZON_SES_SETUP_NOTIFICATION"]


@pytest.mark.parametrize(
    ("condition", "admitted"),
    [
        ({"StringEquals": {"AWS:SourceAccount": ACCOUNT}}, True),
        ({"StringEquals": {"aws:SourceAccount": "999999999999"}}, False),
        ({"ArnLike": {"aws:SourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:receipt-rule-set/{SET}:receipt-rule/*"}}, True),
        ({"StringEquals": {"aws:SourceArn": "arn:aws:ses:us-east-1:1:receipt-rule-set/a:receipt-rule/b"}}, False),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.1"}}, False),
        ({}, True),
    ],
)
def test_a_bucket_is_accepted_only_if_its_policy_allows_ses(
    ses: Any, fake_aws: Aws, condition: dict[str, Any], admitted: bool
) -> None:
    s3 = fake_aws.client("s3")
    s3.create_bucket(Bucket="other")
    statement = {
        "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::other/*", "Condition": condition,
    }  # fmt: skip
    s3.put_bucket_policy(Bucket="other", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    if admitted:
        ses.create_receipt_rule(**_s3("other"))
        return
    refused = refusal(ses.create_receipt_rule, **_s3("other"))
    assert refused[:2] == ("InvalidS3Configuration", "Could not write to bucket: other")


def test_the_bucket_is_checked_again_on_update(ses: Any, fake_aws: Aws) -> None:
    ses.create_receipt_rule(**_s3("inbound-mail"))
    assert refusal(ses.update_receipt_rule, **_s3("none"))[:2] == ("InvalidS3Configuration", "No such bucket: none")
    fake_aws.client("s3").delete_bucket_policy(Bucket="inbound-mail")
    assert refusal(ses.update_receipt_rule, **_s3("inbound-mail"))[0] == "InvalidS3Configuration"


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("function", "Invalid Lambda function: "),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none", "Could not invoke Lambda function: "),
        (f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:inbound-mail-handler", "Could not invoke Lambda function: "),
    ],
)
def test_a_function_that_ses_cannot_invoke_is_refused(ses: Any, arn: str, message: str) -> None:
    refused = refusal(ses.create_receipt_rule, **_rule(Actions=[{"LambdaAction": {"FunctionArn": arn}}]))
    assert refused[:2] == ("InvalidLambdaFunction", message + arn)


def test_a_function_without_its_permission_is_refused(ses: Any, fake_aws: Aws) -> None:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:inbound-mail-handler"
    rule = _rule(Actions=[{"LambdaAction": {"FunctionArn": arn}}])
    ses.create_receipt_rule(**rule)
    held = ses.describe_receipt_rule(RuleSetName=SET, RuleName="mail")["Rule"]["Actions"]
    assert held == [{"LambdaAction": {"FunctionArn": arn, "InvocationType": "Event"}}]
    fake_aws.client("lambda").remove_permission(FunctionName="inbound-mail-handler", StatementId="ses")
    assert refusal(ses.update_receipt_rule, **rule)[0] == "InvalidLambdaFunction"


def test_a_missing_topic_is_refused(ses: Any, fake_aws: Aws) -> None:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:arrived"
    rule = _s3("inbound-mail", TopicArn=arn)
    refused = refusal(ses.create_receipt_rule, **rule)
    assert refused[:2] == ("InvalidSnsTopic", f"Could not publish to SNS topic: {arn}")
    fake_aws.client("sns").create_topic(Name="arrived")
    ses.create_receipt_rule(**rule)


def test_a_bounce_needs_a_verified_sender(ses: Any) -> None:
    bounce = {"SmtpReplyCode": "550", "Message": "no", "Sender": "postmaster@example.com"}
    refused = refusal(ses.create_receipt_rule, **_rule(Actions=[{"BounceAction": bounce}]))
    assert refused[:2] == ("InvalidParameterValue", "Identity is not verified: postmaster@example.com")


def test_a_region_without_receiving_has_no_rules(fake_aws: Aws) -> None:
    ses = fake_aws.client("ses", "eu-central-2")
    for call in (ses.list_receipt_rule_sets, ses.describe_active_receipt_rule_set):
        assert refusal(call)[:2] == ("InvalidAction", "Unavailable Operation")
    assert refusal(ses.create_receipt_rule_set, RuleSetName=SET)[0] == "InvalidAction"
