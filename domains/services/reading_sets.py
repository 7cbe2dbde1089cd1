"""With which configuration set an identity sends when none is named."""

from domains.gateway import ses


def default_configuration_set(name: str) -> str:
    """One call; "" for none. Raises AwsProblem; AwsMissing when Amazon does not know the identity."""
    return ses.get_identity(name).configuration_set
