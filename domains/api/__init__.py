"""The JSON API of domains; what also tells of their receiving stands in the app above."""

from domains.api import authenticating, records

ROUTERS = (authenticating.router, records.router)
