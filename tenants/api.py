"""Who calls: the key that opens an operation of the API."""

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from tenants.core.api_keys import Scope
from tenants.models import ApiKey
from tenants.services.api_keys import BadKey, use_api_key


class ApiKeyWith(HttpBearer):
    """A bearer key with this scope; `request.auth` is its row."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        if not token.isascii():
            raise BadKey("This key is not known.")
        return use_api_key(secret=token.strip(), scope=self._scope, now=timezone.now())
