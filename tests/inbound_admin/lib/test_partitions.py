"""The partition of a region and the suffix of its hosts; an unknown region is reported as unknown."""

import pytest

from inbound_admin.lib.partitions import dns_suffix, has_known_mail_hosts, partition_of


@pytest.mark.parametrize(
    ("region", "partition", "suffix", "known"),
    [
        ("eu-west-1", "aws", "amazonaws.com", True),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com", True),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn", False),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu", False),
        ("us-iso-east-1", "", "", False),
    ],
)
def test_hosts_follow_the_partition(region: str, partition: str, suffix: str, known: bool) -> None:
    assert (partition_of(region), dns_suffix(region), has_known_mail_hosts(region)) == (partition, suffix, known)
