"""The function's configuration from its environment. `template.json` sets each variable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

CONNECT_SECONDS, READ_SECONDS = 5, 15  # of AWS
Client = Callable[[str], Any]  # of the service's name


@dataclass(frozen=True)
class Deployment:
    """`key` is an API key of Inbound Admin with the scopes "route" and "report".

    `forward_from`: the sender address of forwarded mail; "" forwards nothing. `may_be_private`: webhooks may use
    private addresses, as on one machine.
    """

    site_url: str
    key: str
    bucket: str
    forward_from: str = ""
    may_be_private: bool = False
    delivers_viruses: bool = False
    webhook_seconds: float = 20.0

    @property
    def is_complete(self) -> bool:
        return bool(self.site_url and self.key and self.bucket)


def read_deployment(environment: Mapping[str, str], client: Client) -> Deployment:
    """Return the configuration, with the key from its variable or from an SSM parameter.

    Raises ValueError if incomplete.
    """
    name = environment.get("INBOUND_ADMIN_KEY_PARAMETER", "")
    found = Deployment(
        site_url=environment.get("INBOUND_ADMIN_URL", "").rstrip("/"),
        key=environment.get("INBOUND_ADMIN_KEY", "") or (_parameter(name, client) if name else ""),
        bucket=environment.get("MAIL_BUCKET", ""),
        forward_from=environment.get("FORWARD_FROM", ""),
        may_be_private=environment.get("WEBHOOKS_MAY_BE_PRIVATE", "") == "1",
        delivers_viruses=environment.get("DELIVER_VIRUSES", "") == "1",
        webhook_seconds=float(environment.get("WEBHOOK_SECONDS", "") or 20),
    )
    if not found.is_complete:
        raise ValueError("INBOUND_ADMIN_URL, MAIL_BUCKET and INBOUND_ADMIN_KEY_PARAMETER must be set.")
    return found


@cache
def client_of(service: str) -> Any:
    """Return the service's client, created once: creating one takes longer than most calls.

    A call ends while there is time to report it. What SES didn't answer isn't sent again at once: it may have arrived.
    """
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1 if service == "ses" else 3, "mode": "standard"},
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]  # the stubs want each name written out


def _parameter(name: str, client: Client) -> str:
    """Return the parameter's value, read for each event: a replaced key is used at once."""
    return str(client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
