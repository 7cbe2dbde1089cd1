"""Addresses, endpoints, the runs that change SES receipt rules, and what was read of the rules."""

from receipt_rules.models.addresses import (
    Address,
    CatchAll,
    FormerHolder,
    RequestedRecipient,
    new_address_id,
    new_catch_all_id,
)
from receipt_rules.models.endpoints import (
    Endpoint,
    EndpointType,
    Forwarding,
    ForwardingState,
    new_endpoint_id,
    new_forwarding_id,
)
from receipt_rules.models.expectations import Expectation, Expected, new_expectation_id
from receipt_rules.models.live import ActiveRuleSet, IgnoredDifference, ReceivingStop, RulesAsRead, RulesCheck
from receipt_rules.models.probes import MailProbe, ProbeSchedule, new_probe_id, new_probe_token
from receipt_rules.models.received_mail import DeliveryOutcome, ReceivedMail, new_received_mail_id
from receipt_rules.models.runs import (
    UNFINISHED,
    OwnRuleSet,
    PendingChange,
    Run,
    RunKind,
    RunState,
    RunStep,
    Snapshot,
    StepState,
    new_run_id,
    new_snapshot_id,
)

__all__ = [
    "UNFINISHED",
    "ActiveRuleSet",
    "Address",
    "CatchAll",
    "DeliveryOutcome",
    "Endpoint",
    "EndpointType",
    "Expectation",
    "Expected",
    "FormerHolder",
    "Forwarding",
    "ForwardingState",
    "IgnoredDifference",
    "MailProbe",
    "OwnRuleSet",
    "PendingChange",
    "ProbeSchedule",
    "ReceivedMail",
    "ReceivingStop",
    "RequestedRecipient",
    "RulesAsRead",
    "RulesCheck",
    "Run",
    "RunKind",
    "RunState",
    "RunStep",
    "Snapshot",
    "StepState",
    "new_address_id",
    "new_catch_all_id",
    "new_endpoint_id",
    "new_expectation_id",
    "new_forwarding_id",
    "new_probe_id",
    "new_probe_token",
    "new_received_mail_id",
    "new_run_id",
    "new_snapshot_id",
]
