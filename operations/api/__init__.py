"""The JSON API of what spans the apps, and of the apps below those that know who calls (alerts, changes)."""

from operations.api import alerts, audit, differences, migrations, pausing, webhooks

ROUTERS = (
    pausing.router,
    migrations.router,
    differences.router,
    audit.router,
    alerts.router,
    webhooks.router,
)
