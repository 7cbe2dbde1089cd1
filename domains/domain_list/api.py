"""Finds the domain of an API request that the caller may see."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.api_keys.api import caller
from domains.domain_list import selectors
from domains.models.domains import Domain


def domain_of(request: HttpRequest, domain_id: str) -> Domain:
    """Return the domain, or raise 404 if the caller may not see it."""
    return get_object_or_404(selectors.domains_for(caller(request)), pk=domain_id)
