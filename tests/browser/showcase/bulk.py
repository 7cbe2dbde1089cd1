"""A batch for the showcase's bulk action page, created when it is first visited."""

from django.utils import timezone

from operations.batches.core import BatchKind
from operations.models import Batch
from tests.browser.showcase.world import Showcase

RESULTS = (
    ("verified", "done", ""),
    ("long", "refused", "It is on hold. Release it first."),
    ("waiting", "waiting", ""),
)


def held(world: Showcase) -> tuple[str]:
    """Create a batch of three domains to hold: one is held, one was refused, one is pending."""
    words = {"because": "The customer asked us to wait."}
    made = Batch.objects.create(kind=BatchKind.HOLD, words=words, by=world.people["sam"])
    for number, (key, state, problem) in enumerate(RESULTS, start=1):
        domain = world.domains[key]
        made.items.create(
            number=number,
            name=domain.name,
            domain=domain,
            customer=world.acme,
            state=state,
            problem=problem,
            done_at=None if state == "waiting" else timezone.now(),
        )
    return (made.pk,)
