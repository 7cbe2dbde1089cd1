"""AWS's partitions: which one a region is in, and what the names of its hosts end in. Pure.

By AWS's list of regions and endpoints, as botocore has it. Of a partition that is not here we know no host name.
"""

DNS_SUFFIXES = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
DNS_SUFFIXES |= {"aws-eusc": "amazonaws.eu"}
_STARTS = {"us-gov-": "aws-us-gov", "cn-": "aws-cn", "eusc-": "aws-eusc"}
_UNKNOWN = ("us-iso", "eu-iso")


def partition_of(region: str) -> str:
    """ "" for one whose host names are not public."""
    if region.startswith(_UNKNOWN):
        return ""
    return next((partition for start, partition in _STARTS.items() if region.startswith(start)), "aws")


def dns_suffix(region: str) -> str:
    """What AWS's own host names of the region end in; "" where that is not known."""
    return DNS_SUFFIXES.get(partition_of(region), "")


def has_known_mail_hosts(region: str) -> bool:
    """Whether SES's hosts for mail (feedback-smtp, dkim) are named as in the commercial regions."""
    return partition_of(region) in ("aws", "aws-us-gov")
