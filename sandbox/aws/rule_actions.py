"""What SES checks when a rule is written: the bucket, the function, the topic, the bounce's sender (ses.md B)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends

from sandbox.aws.errors import SesRefusal, invalid_parameter
from sandbox.aws.identities import is_verified
from sandbox.aws.names import RECEIVING
from sandbox.aws.policies import allows
from sandbox.aws.state import RegionState

PROBE = "AMAZON_SES_SETUP_NOTIFICATION"
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,50}")
_FUNCTION_ARN = re.compile(r"arn:aws[a-z-]*:lambda:([a-z0-9-]+):(\d{12}):function:([\w-]+)(:[\w$-]+)?")
_TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):(\d{12}):[\w.-]+")


@dataclass(frozen=True)
class Rule:
    """The rule being written. SES sends its account and ARN to what it calls."""

    state: RegionState
    rule_set: str
    name: str

    @property
    def context(self) -> dict[str, str]:
        arn = f"{self.state.arn('receipt-rule-set', self.rule_set)}:receipt-rule/{self.name}"
        account = self.state.account_id
        return {"aws:SourceAccount": account, "aws:SourceArn": arn, "aws:Referer": account}


def check_action(rule: Rule, action: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises as SES does: InvalidS3Configuration, InvalidLambdaFunction, InvalidSnsTopic, InvalidParameterValue."""
    kinds = [kind for kind, settings in action.items() if settings is not None]
    if len(kinds) != 1 or kinds[0] not in _CHECKS:
        raise invalid_parameter("A receipt action has exactly one kind.")
    settings = action[kinds[0]]
    _CHECKS[kinds[0]](rule, settings)
    if topic := settings.get("TopicArn"):
        _check_topic(rule, topic)


def _check_s3(rule: Rule, settings: Mapping[str, Any]) -> None:
    buckets, name = s3_backends[rule.state.account_id]["aws"], settings["BucketName"]
    if name not in buckets.buckets:
        raise SesRefusal("InvalidS3ConfigurationException", f"No such bucket: {name}")
    key = f"{settings.get('ObjectKeyPrefix') or ''}{PROBE}"
    if role := settings.get("IamRoleArn"):
        _check_role(rule, role)
    elif buckets.get_bucket(name).region_name not in RECEIVING or not allows(
        buckets.get_bucket(name).policy,
        action="s3:PutObject",
        resource=f"arn:aws:s3:::{name}/{key}",
        context=rule.context,
    ):
        raise SesRefusal("InvalidS3ConfigurationException", f"Could not write to bucket: {name}")
    _check_key(rule, settings.get("KmsKeyArn"))
    buckets.put_object(name, key, PROBE.encode())


def _check_role(rule: Rule, arn: str) -> None:
    roles = iam_backends[rule.state.account_id]["aws"].roles.values()
    if arn not in {role.arn for role in roles}:
        raise invalid_parameter("Could not assume the provided IAM role")


def _check_key(rule: Rule, arn: str | None) -> None:
    keys = kms_backends[rule.state.account_id][rule.state.region].keys if arn else {}
    if arn and arn.rpartition("/")[2] not in keys:
        raise SesRefusal("InvalidS3ConfigurationException", f"Unable to use AWS KMS key: {arn}")


def _check_lambda(rule: Rule, settings: Mapping[str, Any]) -> None:
    arn = settings["FunctionArn"]
    parts = _FUNCTION_ARN.fullmatch(arn)
    if parts is None:
        raise SesRefusal("InvalidLambdaFunctionException", f"Invalid Lambda function: {arn}")
    if not _may_invoke(rule, *parts.group(1, 2, 3), arn=arn):
        raise SesRefusal("InvalidLambdaFunctionException", f"Could not invoke Lambda function: {arn}")


def _may_invoke(rule: Rule, region: str, account: str, name: str, *, arn: str) -> bool:
    if (region, account) != (rule.state.region, rule.state.account_id):
        return False
    functions = lambda_backends[account][region]
    known = {function.function_name: function for function in functions.list_functions()}
    if name not in known:
        return False
    policy = {"Statement": known[name].policy.statements}
    return allows(policy, action="lambda:InvokeFunction", resource=arn, context=rule.context)


def _check_topic(rule: Rule, arn: str) -> None:
    parts = _TOPIC_ARN.fullmatch(arn)
    if parts is None:
        raise SesRefusal("InvalidSnsTopicException", f"Invalid SNS topic: {arn}")
    topics = sns_backends[rule.state.account_id][rule.state.region].topics
    # A topic's default policy allows its owner's account, for which SES publishes.
    context = {**rule.context, "AWS:SourceOwner": rule.state.account_id}
    if arn not in topics or not allows(topics[arn].policy, action="sns:Publish", resource=arn, context=context):
        raise SesRefusal("InvalidSnsTopicException", f"Could not publish to SNS topic: {arn}")


def _check_sns(rule: Rule, settings: Mapping[str, Any]) -> None:
    if settings.get("Encoding") not in (None, "UTF-8", "Base64"):
        raise invalid_parameter(f"Invalid encoding: {settings['Encoding']}")


def _check_bounce(rule: Rule, settings: Mapping[str, Any]) -> None:
    if not is_verified(rule.state, settings["Sender"]):
        raise invalid_parameter(f"Identity is not verified: {settings['Sender']}")


def _check_header(_: Rule, settings: Mapping[str, Any]) -> None:
    value = settings["HeaderValue"]
    if not _HEADER_NAME.fullmatch(settings["HeaderName"]):
        raise invalid_parameter(f"Invalid header name: {settings['HeaderName']}")
    if len(value) > 2048 or "\r" in value or "\n" in value:
        raise invalid_parameter("Invalid header value")


def _check_stop(_: Rule, settings: Mapping[str, Any]) -> None:
    if settings["Scope"] != "RuleSet":
        raise invalid_parameter(f"Invalid stop scope: {settings['Scope']}")


def _accept(_rule: Rule, _settings: Mapping[str, Any]) -> None:
    """WorkMail and Connect actions are accepted unchecked: the product never writes them."""


_CHECKS: dict[str, Callable[[Rule, Mapping[str, Any]], None]] = {
    "S3Action": _check_s3,
    "LambdaAction": _check_lambda,
    "SNSAction": _check_sns,
    "BounceAction": _check_bounce,
    "AddHeaderAction": _check_header,
    "StopAction": _check_stop,
    "WorkmailAction": _accept,
    "ConnectAction": _accept,
}
