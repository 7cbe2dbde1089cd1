"""A valid request for each view that writes, and the one line that it leaves in the change log."""

from tests.writes import domains, notifications, operations, people, receiving, tenants

WRITES = (
    *domains.WRITES,
    *receiving.WRITES,
    *people.WRITES,
    *notifications.WRITES,
    *tenants.WRITES,
    *operations.WRITES,
)
