"""Seeds what a deployment expects in its account: the receiving stack, as far as SES uses it. Runs at every boot."""

import base64
import io
import json
import zipfile
from collections.abc import Iterable
from functools import lru_cache

from moto.awslambda.models import lambda_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

BUCKET = "inbound-mail"
FUNCTION = "inbound-mail-handler"
_HANDLER = "def handler(event, context):\n    return {'disposition': 'CONTINUE'}\n"


def seed(regions: Iterable[str], account: str = DEFAULT_ACCOUNT_ID) -> None:
    """Repeatable."""
    _seed_bucket(account)
    for region in regions:
        _seed_function(account, region)
        _seed_alarms(account, region)


def _seed_bucket(account: str) -> None:
    buckets = s3_backends[account]["aws"]
    if BUCKET not in buckets.buckets:
        buckets.create_bucket(BUCKET, "us-east-1")
    if buckets.buckets[BUCKET].policy:
        return
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
        "Condition": {"StringEquals": {"AWS:SourceAccount": account}},
    }
    buckets.put_bucket_policy(BUCKET, json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode())


def _seed_function(account: str, region: str) -> None:
    functions = lambda_backends[account][region]
    if any(function.function_name == FUNCTION for function in functions.list_functions()):
        return
    functions.create_function(
        {
            "FunctionName": FUNCTION,
            "Runtime": "python3.11",
            "Role": _role(account),
            "Handler": "index.handler",
            "Code": {"ZipFile": _code()},
        }
    )
    permission = {
        "StatementId": "ses",
        "Action": "lambda:InvokeFunction",
        "Principal": "ses.amazonaws.com",
        "SourceAccount": account,
    }
    functions.add_permission(FUNCTION, None, json.dumps(permission))  # type: ignore[arg-type]  # as moto itself calls it
    retries = {"OnFailure": {"Destination": f"arn:aws:sqs:{region}:{account}:{FUNCTION}-retries"}}
    functions.put_function_event_invoke_config(FUNCTION, {"DestinationConfig": retries})


def _seed_alarms(account: str, region: str) -> None:
    """Create the alarms of the template."""
    topic = f"arn:aws:sns:{region}:{account}:{FUNCTION}-alarms"
    watched = {"mail-expired": ("AWS/SES", "PublishExpired"), "function-fails": ("AWS/Lambda", "Errors")}
    for name, (namespace, metric) in watched.items():
        cloudwatch_backends[account][region].put_metric_alarm(
            name=name,
            namespace=namespace,
            metric_name=metric,
            comparison_operator="GreaterThanThreshold",
            evaluation_periods=1,
            period=300,
            threshold=0,
            statistic="Sum",
            description=name,
            dimensions=[],
            alarm_actions=[topic],
        )


def _role(account: str) -> str:
    """Return the ARN of the function's role, created if missing: Lambda requires one."""
    roles = iam_backends[account]["aws"]
    for role in roles.roles.values():
        if role.name == FUNCTION:
            return str(role.arn)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = roles.create_role(FUNCTION, policy, "/", None, "", [], None)
    return str(made.arn)


@lru_cache
def _code() -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", _HANDLER)
    return base64.b64encode(packed.getvalue()).decode()
