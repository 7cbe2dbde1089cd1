"""A domain in answers: its own fields, and what it receives."""

from collections.abc import Collection
from typing import Any

from pydantic import Field

from domains.api.fields import (
    DomainMain,
    StoredRecordOut,
    VerificationOut,
    main_fields,
    stored_records,
    verification_of,
)
from domains.core.records import Purpose, Record
from domains.models import Domain
from domains.selectors.finding import verified_parent
from domains.selectors.published import Checks, checks_of
from inbound_admin.lib.api import Out
from receipt_rules.models import Endpoint
from receipt_rules.selectors.published import Receiving, receiving_of
from tenants.selectors import first_owners


class EndpointBrief(Out):
    id: str
    name: str
    type: str
    is_active: bool


class Stats(Out):
    total_email_addresses: int
    active_email_addresses: int
    has_catch_all: bool


class DomainRow(DomainMain):
    is_catch_all_enabled: bool
    catch_all_endpoint_id: str | None
    stats: Stats
    catch_all_endpoint: EndpointBrief | None
    verification_check: VerificationOut | None = None


class Recommendation(Out):
    name: str
    value: str
    description: str


class Recommendations(Out):
    spf: Recommendation | None
    dmarc: Recommendation | None


class DomainOne(DomainRow):
    dns_records: list[StoredRecordOut]
    auth_recommendations: Recommendations
    parent_domain: str | None = Field(description="The nearest verified domain of the same customer above it")
    inherits_from_parent: bool = Field(description="Always false: each domain here has an identity of its own")


def rows(domains: Collection[Domain], *, checked: bool) -> list[DomainRow]:
    """In a constant number of queries; `checked` adds what was just seen."""
    checks, receiving = checks_of(domains), receiving_of(domains)
    owners = first_owners(domain.customer_id for domain in domains)
    return [
        DomainRow(**_row(domain, checks[domain.pk], receiving[domain.pk], owners, checked=checked))
        for domain in domains
    ]


def one(domain: Domain, *, checked: bool) -> DomainOne:
    checks, receiving = checks_of([domain])[domain.pk], receiving_of([domain])[domain.pk]
    parent = verified_parent(domain.parsed, domain.customer)
    recommended = {each.key: each for each in domain.records if each.purpose is Purpose.RECOMMENDED}
    return DomainOne(
        **_row(domain, checks, receiving, first_owners([domain.customer_id]), checked=checked),
        dns_records=stored_records(domain, checks),
        auth_recommendations=Recommendations(
            spf=_recommendation(recommended.get("apex-spf"), "Lets Amazon send in the name of the domain itself."),
            dmarc=_recommendation(recommended.get("dmarc"), "Has receivers watch for forged mail, and refuse none."),
        ),
        parent_domain=parent.name if parent else None,
        inherits_from_parent=False,
    )


def brief(endpoint: Endpoint | None) -> EndpointBrief | None:
    if endpoint is None:
        return None
    return EndpointBrief(id=endpoint.pk, name=endpoint.name, type=endpoint.type, is_active=endpoint.is_active)


def _row(
    domain: Domain, checks: Checks, receiving: Receiving, owners: dict[str, str], *, checked: bool
) -> dict[str, Any]:
    catch_all = receiving.catch_all
    endpoint = catch_all.own_endpoint if catch_all else None
    is_on = catch_all is not None and catch_all.is_active
    stats = Stats(
        total_email_addresses=receiving.addresses, active_email_addresses=receiving.active, has_catch_all=is_on
    )
    return {
        **main_fields(domain, checks, owners.get(domain.customer_id)),
        "is_catch_all_enabled": is_on,
        "catch_all_endpoint_id": endpoint.pk if endpoint else None,
        "stats": stats,
        "catch_all_endpoint": brief(endpoint),
        **({"verification_check": verification_of(domain, checks)} if checked else {}),
    }


def _recommendation(record: Record | None, description: str) -> Recommendation | None:
    return Recommendation(name=record.name, value=record.value, description=description) if record else None
