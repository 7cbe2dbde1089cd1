"""Receipt filters by IP address, which SES applies before any rule."""

from ipaddress import ip_address, ip_network

from sandbox.aws.errors import SesRefusal, invalid_parameter
from sandbox.aws.extension import Answer, Request
from sandbox.aws.names import check_service_name
from sandbox.aws.receipt_rules import receiving
from sandbox.aws.state import WORLD, RegionState


@receiving("CreateReceiptFilter")
def create_receipt_filter(ask: Request) -> Answer:
    wanted = dict(ask.params["Filter"])
    check_service_name("filterName", wanted["Name"])
    if wanted["Name"] in ask.state.filters:
        raise SesRefusal("AlreadyExistsException", f"Filter already exists: {wanted['Name']}")
    if len(ask.state.filters) >= WORLD.limits.filters:
        raise SesRefusal("LimitExceededException", "Too many filters")
    try:
        ip_network(wanted["IpFilter"]["Cidr"], strict=False)
    except ValueError as problem:
        raise invalid_parameter(f"Invalid CIDR: {wanted['IpFilter']['Cidr']}") from problem
    ask.state.filters[wanted["Name"]] = wanted
    return None


@receiving("ListReceiptFilters")
def list_receipt_filters(ask: Request) -> Answer:
    return {"Filters": list(ask.state.filters.values())}


@receiving("DeleteReceiptFilter")
def delete_receipt_filter(ask: Request) -> Answer:
    ask.state.filters.pop(ask.text("FilterName"), None)
    return None


def blocks(state: RegionState, sender_ip: str) -> bool:
    """Return whether a filter blocks the sender, and none allows it."""
    sender = ip_address(sender_ip)
    matching = [each["IpFilter"] for each in state.filters.values()]
    policies = {each["Policy"] for each in matching if sender in ip_network(each["Cidr"], strict=False)}
    return "Block" in policies and "Allow" not in policies
