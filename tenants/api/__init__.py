"""The JSON API of customers and tenants; `calling` says who calls and what a call may."""

from tenants.api.calling import (
    ApiKeyWith,
    Caller,
    call_router,
    caller,
    chosen_customer,
    keep_answer,
    reads,
    writes,
)

__all__ = ["ApiKeyWith", "Caller", "call_router", "caller", "chosen_customer", "keep_answer", "reads", "writes"]
