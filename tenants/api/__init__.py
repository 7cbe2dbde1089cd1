"""The JSON API of customers and tenants; `calling` says who calls and what a call may."""

from tenants.api import customers, reputation, ses_tenants
from tenants.api.calling import (
    ApiKeyWith,
    Caller,
    call_router,
    caller,
    chosen_customer,
    keep_answer,
    reads,
    shown_once,
    writes,
)

ROUTERS = (customers.router, ses_tenants.router, reputation.router)

__all__ = [
    "ROUTERS",
    "ApiKeyWith",
    "Caller",
    "call_router",
    "caller",
    "chosen_customer",
    "keep_answer",
    "reads",
    "shown_once",
    "writes",
]
