"""The JSON API of what spans the apps, and of the apps below those that know who calls (alerts, changes).

Deleting a domain spans them, so `domain_removal` adds the method to the path's router in receipt_rules.api.domains.
"""

from operations.api import alerts, audit, differences, domain_removal, migrations, pausing, verifying, webhooks

__all__ = ("ROUTERS", "domain_removal")

ROUTERS = (
    pausing.router,
    migrations.router,
    differences.router,
    audit.router,
    alerts.router,
    webhooks.router,
    verifying.router,
)
