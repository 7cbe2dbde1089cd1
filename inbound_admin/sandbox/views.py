"""The Sandbox pages: the customer's DNS host, and Amazon's bad days. They exist where SANDBOX is on alone."""

from django.http import HttpRequest, HttpResponse


def zones(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


def zone(request: HttpRequest, zone: str) -> HttpResponse:
    raise NotImplementedError


def faults(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError
