"""The JSON API of receiving, and of domains where receiving belongs to the answer.

All methods of one path stand in one module: Django takes the first router that knows the path.
"""

from receipt_rules.api import (
    addresses,
    domains,
    endpoints,
    looking_up,
    plans,
    rules,
    simulating,
    version_1_1,
)

ROUTERS = (
    domains.router,
    addresses.router,
    endpoints.router,
    version_1_1.router,
    looking_up.router,
    rules.router,
    plans.router,
    simulating.router,
)
