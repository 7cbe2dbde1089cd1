"""Pages of the sandbox, and error pages."""

from domains.models.domains import Domain
from tests.browser.problem_urls import PROBLEMS
from tests.browser.showcase import tenants
from tests.browser.visits.visit import Visit, press


def _zone_of(shown: Domain) -> str:
    return shown.parsed.zone


SANDBOX = (
    Visit("sandbox:zones"),
    Visit("sandbox:zones", "nina", note="none yet"),
    Visit("sandbox:zone", of=lambda _: ("acme.com",)),
    Visit("sandbox:zone", of=lambda _: ("acme.com",), act=press("Add record"), note="nothing typed"),
    Visit("sandbox:zone", of=lambda world: (_zone_of(world.domains["long"]),)),
    Visit("sandbox:faults"),
    Visit("sandbox:mail"),
    Visit("sandbox:mail", "adam", act=press("Run function now", seen="#came-title"), note="nothing waits"),
    Visit("sandbox:what_to_try"),
    Visit("sandbox:tenants", "adam", of=tenants.no_arguments),
    Visit("sandbox:tenants", "newcomer", note="none yet"),
    Visit("sandbox:tenants", "adam", act=press("Set rates"), note="nothing typed"),
)
GONE_WRONG = (
    *(Visit(f"problem-{name}", status=status, note=str(status)) for name, (status, _) in PROBLEMS.items()),
    Visit("problem-not-here", "", status=302, elsewhere=True, note="without a sign-in"),
    Visit("problem-old-form", status=403),
)
