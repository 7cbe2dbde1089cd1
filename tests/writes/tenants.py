"""Writes to tenants and their pauses."""

from collections.abc import Callable

from operations.models import Batch
from tenants.models.tenants import Tenant
from tests.tenants.factories import make_tenant
from tests.writes.world import Post, World, Write

PAUSE = {"reason": "spam", "text": "Forty reports.", "told": "Please clean your list.", "review_on": ""}


def _paused(world: World) -> Tenant:
    off = {"is_paused": True, "standing": "paused", "staff_status": "DISABLED", "aggregate": "DISABLED"}
    return make_tenant(world.customer, **off, pause_reason="spam", pause_text="Reports.")


def _tenant(**form: str) -> Callable[[World], Post]:
    return lambda world: Post((make_tenant(world.customer).pk,), form)


def _delete_tenant(world: World) -> Post:
    tenant = make_tenant(world.customer)
    return Post((tenant.pk,), {"name": tenant.name})


def _retry_batch(world: World) -> Post:
    words = {**PAUSE, "review_on": ""}
    batch = Batch.objects.create(kind="pause", words=words, by=world.people["tess"])
    batch.items.create(number=1, tenant=make_tenant(world.customer), name="t", state="refused", problem="No.")
    return Post((batch.pk,))


WRITES = (
    Write(
        "tenants:create",
        "tenant.added",
        "olga",
        lambda w: Post(form={"customer": w.customer.pk, "policy": "strict"}),
    ),
    Write("tenants:policy", "tenant.policy", "olga", _tenant(policy="strict", because="x")),
    Write(
        "tenants:keep",
        "tenant.pause_kept",
        "tess",
        lambda w: Post((_paused(w).pk,), {"because": "x", "review_on": "2090-01-01"}),
    ),
    Write("tenants:delete", "tenant.delete_asked", "olga", _delete_tenant),
    Write("operations:pause", "tenant.pause_asked", "tess", _tenant(**PAUSE, step="pause")),
    Write("operations:resume", "tenant.resume_asked", "tess", lambda w: Post((_paused(w).pk,), {"because": "x"})),
    Write(
        "operations:pause_many",
        "tenant.pause_asked",
        "tess",
        lambda w: Post(form={**PAUSE, "do": "pause", "tenant": [make_tenant(w.customer).pk]}),
    ),
    Write("operations:retry_bulk", "bulk.retried", "tess", _retry_batch, beside=("tenant.pause_asked",)),
)
