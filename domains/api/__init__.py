"""The JSON API of domains; what also tells of their receiving stands in the app above."""

from domains.api import authenticating, diagnosis, dns_history, exports, records, share_links

ROUTERS = (
    authenticating.router,
    records.router,
    diagnosis.router,
    dns_history.router,
    exports.router,
    share_links.router,
)
