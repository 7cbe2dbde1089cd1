"""A valid request for each view that writes, and its one change log entry."""

from tests.writes import domains, notifications, operations, people, receiving, tenants

WRITES = (
    *domains.WRITES,
    *receiving.WRITES,
    *people.WRITES,
    *notifications.WRITES,
    *tenants.WRITES,
    *operations.WRITES,
)
