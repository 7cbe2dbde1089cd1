"""What of an SES tenant must go before a thing of the account can go."""

from contextlib import suppress

from inbound_admin.lib.errors import AwsMissing
from tenants.gateway import ses


def dissociate_everywhere(resource_arn: str) -> None:
    """Take an identity out of every SES tenant, since SES refuses to delete it before. AwsMissing: it is gone."""
    done: set[str] = set()
    while names := set(ses.tenants_of(resource_arn)[0]) - done:  # one that Amazon lists still is not taken out twice
        for name in sorted(names):
            with suppress(AwsMissing):  # the tenant went meanwhile, and its associations with it
                ses.dissociate(name, resource_arn)
        done |= names
