"""The topic that SES publishes to: one function, one call. A topic that does not exist is AwsMissing."""

from dataclasses import dataclass

from inbound_admin.lib import aws


@dataclass(frozen=True)
class Topic:
    """`policy` is JSON; `kms_key` encrypts it where there is one, and then SES needs the key too."""

    policy: str
    kms_key: str


def get_topic_attributes(arn: str) -> Topic:
    with aws.calling("sns", f"look at the topic {arn}") as sns:
        found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    return Topic(found.get("Policy", ""), found.get("KmsMasterKeyId", ""))
