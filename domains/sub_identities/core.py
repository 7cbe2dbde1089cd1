"""Finds the domain that an identity in SES is below."""

from collections.abc import Container, Iterator


def closest_above(identity: str, domains: Container[str]) -> str:
    """Return the closest of these domains that contains the subdomain or address; "" if none does."""
    return next((name for name in _names_above(identity) if name in domains), "")


def _names_above(identity: str) -> Iterator[str]:
    name = identity
    if "@" in identity:
        name = identity.rpartition("@")[2]
        yield name
    while "." in name:
        name = name.partition(".")[2]
        yield name
