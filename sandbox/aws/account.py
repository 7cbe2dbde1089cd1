"""GetAccount, sending, and configuration sets where moto's errors aren't v2's."""

import re
from typing import Any

from sandbox.aws.errors import already_exists, bad_request, not_found
from sandbox.aws.extension import Answer, Request, v1, v2
from sandbox.aws.state import WORLD
from sandbox.aws.tags import forget_tags, put_tags, tags_of

_RECIPIENTS = re.compile(r"^(?=(to|cc):)", re.IGNORECASE | re.MULTILINE)


@v2("GetAccount")
def get_account(ask: Request) -> Answer:
    account = ask.state.account
    return {
        "DedicatedIpAutoWarmupEnabled": False,
        "EnforcementStatus": account.enforcement,
        "ProductionAccessEnabled": account.production_access,
        "SendingEnabled": account.sending_enabled,
        "SendQuota": {
            "Max24HourSend": account.max_24_hour_send,
            "MaxSendRate": account.max_send_rate,
            "SentLast24Hours": float(ask.backend.sent_message_count),
        },
        "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
    }


@v1("SendRawEmail")
def send_raw_email(ask: Request) -> Answer:
    """moto refuses a To or Cc without a domain in the headers, also if Destinations are given; a belief decides."""
    raw = bytes(ask.params["RawMessage"]["Data"]).decode("utf-8")
    if WORLD.beliefs.header_recipients == "sent":
        headers, blank, body = raw.partition("\r\n\r\n")
        raw = f"{_RECIPIENTS.sub('X-Unread-', headers)}{blank}{body}"
    sent = ask.backend.send_raw_email(ask.params.get("Source"), ask.texts("Destinations"), raw)
    return {"MessageId": sent.id}


@v2("CreateConfigurationSet")
def create_configuration_set(ask: Request) -> Answer:
    name, options = ask.text("ConfigurationSetName"), ask.params
    if name in ask.backend.config_sets:
        raise already_exists(f"Configuration set {name} already exists.")
    ask.backend.create_configuration_set_v2(
        configuration_set_name=name,
        tracking_options=options.get("TrackingOptions") or {},
        delivery_options=options.get("DeliveryOptions") or {},
        reputation_options=options.get("ReputationOptions") or {},
        sending_options=options.get("SendingOptions") or {},
        tags=None,
        suppression_options=options.get("SuppressionOptions") or {},
        vdm_options=options.get("VdmOptions") or {},
    )
    put_tags(ask, ask.state.arn("configuration-set", name), options.get("Tags") or [])
    return None


def _known(ask: Request) -> Any:
    name = ask.text("ConfigurationSetName")
    if name not in ask.backend.config_sets:
        raise not_found(f"Configuration set {name} does not exist.")
    return ask.backend.config_sets[name]


@v2("GetConfigurationSet")
def get_configuration_set(ask: Request) -> Answer:
    found = _known(ask)
    return {
        "ConfigurationSetName": found.configuration_set_name,
        "TrackingOptions": found.tracking_options or None,
        "DeliveryOptions": found.delivery_options or None,
        "ReputationOptions": found.reputation_options or None,
        "SendingOptions": found.enabled or {"SendingEnabled": True},
        "SuppressionOptions": found.suppression_options or None,
        "Tags": tags_of(ask, ask.state.arn("configuration-set", found.configuration_set_name)),
    }


@v2("DeleteConfigurationSet")
def delete_configuration_set(ask: Request) -> Answer:
    name = _known(ask).configuration_set_name
    arn = ask.state.arn("configuration-set", name)
    if ask.state.tenants_of(arn):
        raise bad_request(f"Cannot delete {arn} because it has tenant associations.")
    del ask.backend.config_sets[name]
    forget_tags(ask, arn)
    return None
