"""Reputation entities, policies, findings (ses.md E). A policy pauses on the customer's side, AWS on its own."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from inbound_admin.lib.partitions import partition_of
from sandbox.aws.errors import bad_request, not_found
from sandbox.aws.extension import Answer, Request, v2
from sandbox.aws.state import WORLD, Finding, RegionState, Standing, Tenant
from sandbox.aws.tenants import aggregate, pages

STATUSES = ("ENABLED", "DISABLED", "REINSTATED")
_POLICY = re.compile(r"arn:aws[a-z-]*:ses:([a-z0-9-]+):aws:reputation-policy/(standard|strict|none)")
# The impacts on which each policy pauses.
PAUSES = {"none": (), "standard": ("HIGH",), "strict": ("HIGH", "LOW")}
# ses.md E: the fractions from which a rate is a finding of this impact.
THRESHOLDS = {"BOUNCE": {"HIGH": 0.15, "LOW": 0.10}, "COMPLAINT": {"HIGH": 0.01, "LOW": 0.005}}
_FILTERS = ({"STATUS", "IMPACT"}, {"STATUS", "TYPE"})


def impact(tenant: Tenant) -> str:
    """Real SES was observed to answer NONE, which isn't in botocore's model."""
    active = {finding.impact for finding in tenant.findings if finding.status == "OPEN"}
    return next((level for level in ("HIGH", "LOW") if level in active), "NONE")


def apply_policy(tenant: Tenant, now: datetime) -> None:
    """Pause on a finding. A reinstated tenant keeps sending, and becomes enabled once it is healthy."""
    if tenant.customer.status == "REINSTATED" and impact(tenant) == "NONE":
        tenant.customer.set("ENABLED", now)
    if tenant.customer.status == "ENABLED" and impact(tenant) in PAUSES[tenant.policy]:
        cause = f"Paused by the reputation policy {tenant.policy}: a finding of {impact(tenant)} impact was opened."
        tenant.customer.set("DISABLED", now, cause)


def put_finding(tenant: Tenant, kind: str, level: str, status: str, description: str, now: datetime) -> None:
    """There is at most one finding of a type; a FIXED one is still listed."""
    old = next((finding for finding in tenant.findings if finding.type == kind), None)
    is_again = old is not None and old.status != "OPEN" and status == "OPEN"
    created = now if old is None or is_again else old.created
    tenant.findings = [finding for finding in tenant.findings if finding.type != kind]
    tenant.findings.append(Finding(kind, level, status, description, created, now))
    apply_policy(tenant, now)


def put_rate(tenant: Tenant, kind: str, rate: float, now: datetime) -> None:
    """`rate` is a fraction. Its finding is opened, or fixed if the rate is healthy again."""
    level = next((level for level in ("HIGH", "LOW") if rate > THRESHOLDS[kind][level]), None)
    was_open = any(finding.type == kind and finding.status == "OPEN" for finding in tenant.findings)
    if level:
        put_finding(tenant, kind, level, "OPEN", f"The {kind.lower()} rate is {rate:.2%}.", now)
    elif was_open:
        put_finding(tenant, kind, "LOW", "FIXED", f"The {kind.lower()} rate is {rate:.2%}.", now)


def policy_arn(state: RegionState, policy: str) -> str:
    return f"arn:{partition_of(state.region) or 'aws'}:ses:{state.region}:aws:reputation-policy/{policy}"


def _known(ask: Request) -> Tenant:
    if ask.text("ReputationEntityType") != "RESOURCE":
        raise bad_request(f"Invalid ReputationEntityType {ask.text('ReputationEntityType')}.")
    reference = ask.text("ReputationEntityReference")
    for tenant in ask.state.tenants.values():
        if tenant.arn == reference and tenant.has_reputation:
            return tenant
    raise not_found(f"Reputation entity {reference} does not exist.")


def _standing(standing: Standing) -> dict[str, object]:
    return {"Status": standing.status, "Cause": standing.cause, "LastUpdatedTimestamp": standing.updated}


def _entity(state: RegionState, tenant: Tenant) -> dict[str, object]:
    return {
        "ReputationEntityReference": tenant.arn,
        "ReputationEntityType": "RESOURCE",
        "ReputationManagementPolicy": policy_arn(state, tenant.policy),
        "CustomerManagedStatus": _standing(tenant.customer),
        "AwsSesManagedStatus": _standing(tenant.amazon),
        "SendingStatusAggregate": aggregate(tenant),
        "ReputationImpact": impact(tenant),
    }


@v2("GetReputationEntity")
def get_reputation_entity(ask: Request) -> Answer:
    return {"ReputationEntity": _entity(ask.state, _known(ask))}


@v2("ListReputationEntities")
def list_reputation_entities(ask: Request) -> Answer:
    wanted: dict[str, str] = ask.params.get("Filter") or {}
    tests: dict[str, Callable[[Tenant, str], bool]] = {
        "ENTITY_TYPE": lambda _, value: value == "RESOURCE",
        "REPUTATION_IMPACT": lambda tenant, value: impact(tenant) == value,
        "SENDING_STATUS": lambda tenant, value: aggregate(tenant) == value,
        "ENTITY_REFERENCE_PREFIX": lambda tenant, value: tenant.arn.startswith(value),
    }
    if unknown := set(wanted) - set(tests):
        raise bad_request(f"Invalid filter {', '.join(sorted(unknown))}.")
    kept = [tenant for tenant in ask.state.tenants.values() if tenant.has_reputation]
    chosen = [one for one in kept if all(tests[key](one, wanted[key]) for key in wanted)]
    found, token = pages(ask, chosen, lambda tenant: tenant.arn, f"entities {sorted(wanted.items())}")
    return {"ReputationEntities": [_entity(ask.state, tenant) for tenant in found], "NextToken": token}


@v2("UpdateReputationEntityPolicy")
def update_reputation_entity_policy(ask: Request) -> Answer:
    tenant, parts = _known(ask), _POLICY.fullmatch(ask.text("ReputationEntityPolicy"))
    if parts is None or parts.group(1) != ask.state.region:
        raise bad_request(f"Invalid reputation policy {ask.text('ReputationEntityPolicy')}.")
    tenant.policy = parts.group(2)
    apply_policy(tenant, ask.now)
    return None


@v2("UpdateReputationEntityCustomerManagedStatus")
def update_reputation_entity_customer_managed_status(ask: Request) -> Answer:
    tenant, status = _known(ask), ask.text("SendingStatus")
    if status not in STATUSES:
        raise bad_request(f"Invalid SendingStatus {status}.")
    tenant.customer.set(status, ask.now, WORLD.beliefs.manual_cause or None)
    if status == "ENABLED":
        apply_policy(tenant, ask.now)
    return None


@v2("ListRecommendations")
def list_recommendations(ask: Request) -> Answer:
    wanted: dict[str, str] = ask.params.get("Filter") or {}
    if len(wanted) > 1 and set(wanted) not in _FILTERS:
        raise bad_request("Filter by one key, by STATUS and IMPACT, or by STATUS and TYPE.")
    everything = [_recommendation(one, finding) for one in ask.state.tenants.values() for finding in one.findings]
    members = {"TYPE": "Type", "IMPACT": "Impact", "STATUS": "Status", "RESOURCE_ARN": "ResourceArn"}
    if unknown := set(wanted) - set(members):
        raise bad_request(f"Invalid filter {', '.join(sorted(unknown))}.")
    chosen = [one for one in everything if all(one[members[key]] == value for key, value in wanted.items())]
    found, token = pages(ask, chosen, _order, f"recommendations {sorted(wanted.items())}")
    return {"Recommendations": found, "NextToken": token}


def _recommendation(tenant: Tenant, finding: Finding) -> dict[str, Any]:
    return {
        "ResourceArn": tenant.arn,
        "Type": finding.type,
        "Description": finding.description,
        "Status": finding.status,
        "CreatedTimestamp": finding.created,
        "LastUpdatedTimestamp": finding.updated,
        "Impact": finding.impact,
    }


def _order(recommendation: dict[str, Any]) -> str:
    return f"{recommendation['ResourceArn']} {recommendation['Type']}"
