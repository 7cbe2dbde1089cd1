"""Requests to the pages of the fake DNS host."""

from typing import Any

from django.test import Client
from django.urls import reverse

from domains.models.domains import Domain
from sandbox.process import Sandbox

HTMX = {"HX-Request": "true"}
Answer = Any  # the test client's response has no public type


def post(client: Client, zone: str, do: str, **fields: str) -> Answer:
    return client.post(reverse("sandbox:zone", args=[zone]), {"do": do, **fields})


def swap(client: Client, zone: str, do: str, **fields: str) -> Answer:
    return client.post(reverse("sandbox:zone", args=[zone]), {"do": do, **fields}, headers=HTMX)


def key(domain: Domain, record: str) -> str:
    return f"{record}.{domain.id}"


def values(sandbox: Sandbox, zone: str, name: str, kind: str) -> list[str]:
    return [it.value for it in sandbox.control.records(zone) if (it.name, it.type) == (name, kind)]


def page_of(client: Client, zone: str) -> str:
    return client.get(reverse("sandbox:zone", args=[zone])).text
