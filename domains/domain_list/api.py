"""The domain of a call, as its caller may see it."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.api_keys.api import caller
from domains.domain_list import selectors
from domains.models.domains import Domain


def domain_of(request: HttpRequest, domain_id: str) -> Domain:
    """Another customer's is 404, as if it did not exist."""
    return get_object_or_404(selectors.domains_for(caller(request)), pk=domain_id)
