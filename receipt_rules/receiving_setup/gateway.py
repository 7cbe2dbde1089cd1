"""The bucket, function and topic of receiving: one function, one call. What does not exist raises AwsMissing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing
from receipt_rules.receiving_setup.core import SES

SETUP_NOTIFICATION = "AMAZON_SES_SETUP_NOTIFICATION"  # the object that SES writes to try a bucket (ses.md B)
NOT_MAIL = ".inbound-admin/"  # where the function keeps its marks (receiving/markers.py)
_OLD_NAMES = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}  # as S3 has answered since before regions


def get_bucket_location(bucket: str) -> str:
    """The region that the bucket is in. Raises AwsDenied for one of another account."""
    with aws.calling("s3", f"read the bucket {bucket}") as s3:
        region = s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    return _OLD_NAMES.get(region, str(region))


def get_bucket_policy(bucket: str) -> str:
    """JSON as it was written; "" where the bucket has no policy."""
    try:
        with aws.calling("s3", f"read the policy of the bucket {bucket}") as s3:
            return s3.get_bucket_policy(Bucket=bucket)["Policy"]
    except AwsMissing as missing:
        if missing.aws_code != "NoSuchBucketPolicy":
            raise
        return ""


def put_bucket_policy(bucket: str, policy: str, *, account: str) -> None:
    """Replaces the whole policy, and only of a bucket of this account. S3 has no version check: read it just before."""
    with aws.calling("s3", f"write the policy of the bucket {bucket}") as s3:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy, ExpectedBucketOwner=account)


def list_objects(bucket: str, prefix: str, *, token: str = "") -> tuple[tuple[datetime, ...], str]:
    """When each object of a page (up to 1,000, by name) was stored, and the token of the next ("" at the end).

    What SES writes to try the bucket is no mail, nor is what the function keeps beside it: both are left out.
    """
    more: Any = {"ContinuationToken": token} if token else {}
    with aws.calling("s3", f"list what is in the bucket {bucket}") as s3:
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
    stored = answer.get("Contents", ())
    mail = (each for each in stored if not each["Key"].endswith(SETUP_NOTIFICATION) and NOT_MAIL not in each["Key"])
    return tuple(each["LastModified"] for each in mail), answer.get("NextContinuationToken", "")


@dataclass(frozen=True)
class LambdaFunction:
    """`state` is Active, Pending, Inactive (asleep; a call wakes it) or Failed.

    `variables` are those of its environment. Lambda answers none of them where they cannot be decrypted.
    """

    state: str
    variables: Mapping[str, str]


def get_function(arn: str) -> LambdaFunction:
    with aws.calling("lambda", f"read the function {arn}") as functions:
        found = functions.get_function(FunctionName=arn)["Configuration"]
    return LambdaFunction(found.get("State", "Active"), dict(found.get("Environment", {}).get("Variables", {})))


def get_failure_destination(arn: str) -> str:
    """The ARN of the queue or topic that gets what the function fails on; "" for none."""
    try:
        with aws.calling("lambda", f"read the failure destination of the function {arn}") as functions:
            config = functions.get_function_event_invoke_config(FunctionName=arn)
    except AwsMissing:
        return ""
    return config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")


def alarmed_metrics() -> frozenset[tuple[str, str]]:
    """Namespace and name of every metric that an alarm with an action watches."""
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
    """JSON; "" where nobody has a permission. Lambda says the same of a function that is not there: find it first."""
    try:
        with aws.calling("lambda", f"read the permissions of the function {arn}") as functions:
            return functions.get_policy(FunctionName=arn)["Policy"]
    except AwsMissing:
        return ""


def add_permission(arn: str, *, sid: str, account: str) -> None:
    """SES may invoke it for the rules of this account. A Sid that is taken is AwsConflict, also after a lost answer."""
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
    """`policy` is JSON; `kms_key` encrypts it where there is one, and then SES needs the key too."""

    policy: str
    kms_key: str


def get_topic_attributes(arn: str) -> Topic:
    with aws.calling("sns", f"read the topic {arn}") as sns:
        found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    return Topic(found.get("Policy", ""), found.get("KmsMasterKeyId", ""))
