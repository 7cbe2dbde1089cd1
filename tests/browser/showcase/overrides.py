"""A domain with overrides by staff, created when its page is first visited."""

from datetime import timedelta

from django.utils import timezone

from domains.models.domains import Domain
from tests.browser.showcase.world import Showcase


def overridden_domain(world: Showcase) -> tuple[str]:
    """Return a domain with an overridden state, whose mail is expected elsewhere."""
    domain = world.domains["wrong"] if "wrong" in world.domains else next(iter(world.domains.values()))
    now = timezone.now()
    expected = {"value": "mx.acme.net", "because": "Stays there.", "by": "sam@ops.example", "at": now.isoformat()}
    Domain.objects.filter(pk=domain.pk).update(
        override_state="verified",
        override_until=now + timedelta(days=3),
        override_at=now,
        override_by=world.people["adam"],
        override_because="They move on Monday.",
        expectations={"inbound-mx": expected, "dmarc": {**expected, "value": ""}},
    )
    return (domain.pk,)
