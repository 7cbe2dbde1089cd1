"""Alice with her organisation, and Bob with his, as in the tests of tenants."""

from tests.tenants.conftest import acme, alice, bob, quick_passwords

__all__ = ["acme", "alice", "bob", "quick_passwords"]
