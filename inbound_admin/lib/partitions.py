"""AWS partitions: the partition of a region, and the suffix of its host names. Pure.

From AWS's list of regions and endpoints, as in botocore. We know no host name of other partitions.
"""

DNS_SUFFIXES = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
DNS_SUFFIXES |= {"aws-eusc": "amazonaws.eu"}
_STARTS = {"us-gov-": "aws-us-gov", "cn-": "aws-cn", "eusc-": "aws-eusc"}
_UNKNOWN = ("us-iso", "eu-iso")


def partition_of(region: str) -> str:
    """Return the partition; "" if its host names aren't public."""
    if region.startswith(_UNKNOWN):
        return ""
    return next((partition for start, partition in _STARTS.items() if region.startswith(start)), "aws")


def dns_suffix(region: str) -> str:
    """Return the suffix of AWS's host names in the region; "" if unknown."""
    return DNS_SUFFIXES.get(partition_of(region), "")


def has_known_mail_hosts(region: str) -> bool:
    """Return whether SES's mail hosts (feedback-smtp, dkim) have the same names as in the commercial regions."""
    return partition_of(region) in ("aws", "aws-us-gov")
