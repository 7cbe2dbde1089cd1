"""`/healthz` for programs that have a key: the same probes, in the manners of the API."""

from django.http import HttpRequest

from accounts.api_keys.api import call_router, reads
from inbound_admin.health import probe_all
from inbound_admin.lib.api.values import Out

router = call_router("Health")


class HealthOut(Out):
    """`parts`: “ok” for each, or what is the matter with it."""

    is_well: bool
    parts: dict[str, str]


@router.get("/v2/health", **reads(HealthOut), summary="Whether web, database, worker and Amazon are well")
def get_health(request: HttpRequest) -> HealthOut:
    """Always 200: `/healthz` answers 503 where something is not well, and asks for no key."""
    parts = probe_all()
    return HealthOut(is_well=all(state == "ok" for state in parts.values()), parts=parts)
