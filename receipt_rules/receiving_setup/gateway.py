"""The bucket, function and topic of receiving: one function, one call. A missing resource raises AwsMissing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing
from receipt_rules.receiving_setup.core import SES

SETUP_NOTIFICATION = "AMAZON_SES_SETUP_NOTIFICATION"  # the object that SES writes to test a bucket (ses.md B)
NOT_MAIL = ".inbound-admin/"  # where the function stores its markers (receiving/markers.py)
_OLD_NAMES = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}  # legacy values of S3


def get_bucket_location(bucket: str) -> str:
    """Return the bucket's region. Raises AwsDenied for a bucket of another account."""
    with aws.calling("s3", f"read the bucket {bucket}") as s3:
        region = s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    return _OLD_NAMES.get(region, str(region))


def get_bucket_policy(bucket: str) -> str:
    """Return the policy as JSON; "" if the bucket has none."""
    try:
        with aws.calling("s3", f"read the policy of the bucket {bucket}") as s3:
            return s3.get_bucket_policy(Bucket=bucket)["Policy"]
    except AwsMissing as missing:
        if missing.aws_code != "NoSuchBucketPolicy":
            raise
        return ""


def put_bucket_policy(bucket: str, policy: str, *, account: str) -> None:
    """Replace the whole policy, only of a bucket of this account. S3 has no version check: read it just before."""
    with aws.calling("s3", f"write the policy of the bucket {bucket}") as s3:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy, ExpectedBucketOwner=account)


def list_objects(bucket: str, prefix: str, *, token: str = "") -> tuple[tuple[datetime, ...], str]:
    """Return the time of each object on a page (up to 1,000, by name), and the token of the next ("" at the end).

    The object that SES writes to test the bucket, and the function's own objects, are left out.
    """
    more: Any = {"ContinuationToken": token} if token else {}
    with aws.calling("s3", f"list what is in the bucket {bucket}") as s3:
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
    stored = answer.get("Contents", ())
    mail = (each for each in stored if not each["Key"].endswith(SETUP_NOTIFICATION) and NOT_MAIL not in each["Key"])
    return tuple(each["LastModified"] for each in mail), answer.get("NextContinuationToken", "")


@dataclass(frozen=True)
class LambdaFunction:
    """`state` is Active, Pending, Inactive (idle; a call activates it) or Failed.

    `variables` are its environment variables; Lambda returns none if it can't decrypt them. `code_hash`: SHA-256 of
    its archive, in base64.
    """

    state: str
    variables: Mapping[str, str]
    code_hash: str


def get_function(arn: str) -> LambdaFunction:
    with aws.calling("lambda", f"read the function {arn}") as functions:
        found = functions.get_function(FunctionName=arn)["Configuration"]
    variables = dict(found.get("Environment", {}).get("Variables", {}))
    return LambdaFunction(found.get("State", "Active"), variables, found.get("CodeSha256", ""))


def get_failure_destination(arn: str) -> str:
    """Return the ARN of the queue or topic that gets failed events; "" if none is set."""
    try:
        with aws.calling("lambda", f"read the failure destination of the function {arn}") as functions:
            config = functions.get_function_event_invoke_config(FunctionName=arn)
    except AwsMissing:
        return ""
    return config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")


def alarmed_metrics() -> frozenset[tuple[str, str]]:
    """Return namespace and name of every metric that an alarm with an action watches."""
    found: set[tuple[str, str]] = set()
    token = ""
    while True:
        more: Any = {"NextToken": token} if token else {}
        with aws.calling("cloudwatch", "list the alarms") as cloudwatch:
            answer = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm"], MaxRecords=100, **more)
        alarms = answer.get("MetricAlarms", [])
        found |= {(str(each.get("Namespace")), str(each.get("MetricName"))) for each in alarms if each["AlarmActions"]}
        token = answer.get("NextToken", "")
        if not token:
            return frozenset(found)


def get_policy(arn: str) -> str:
    """Return the policy as JSON; "" if there is none.

    Lambda answers the same for a missing function: check that first.
    """
    try:
        with aws.calling("lambda", f"read the permissions of the function {arn}") as functions:
            return functions.get_policy(FunctionName=arn)["Policy"]
    except AwsMissing:
        return ""


def add_permission(arn: str, *, sid: str, account: str) -> None:
    """Let SES invoke it for rules of this account. A Sid in use is AwsConflict, also after a lost response."""
    with aws.calling("lambda", f"let SES invoke the function {arn}") as functions:
        functions.add_permission(
            FunctionName=arn,
            StatementId=sid,
            Action="lambda:InvokeFunction",
            Principal=SES,
            SourceAccount=account,
        )


@dataclass(frozen=True)
class Topic:
    """`policy` is JSON; `kms_key` encrypts the topic, if set, and SES then needs the key too."""

    policy: str
    kms_key: str


def get_topic_attributes(arn: str) -> Topic:
    with aws.calling("sns", f"read the topic {arn}") as sns:
        found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    return Topic(found.get("Policy", ""), found.get("KmsMasterKeyId", ""))


def invoke(arn: str, event: Mapping[str, Any]) -> None:
    """Invoke the function asynchronously; it reports the result. It may have run although its response was lost."""
    with aws.calling("lambda", f"call the function {arn}") as functions:
        functions.invoke(FunctionName=arn, InvocationType="Event", Payload=json.dumps(event).encode())
