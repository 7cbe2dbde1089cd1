"""Alice with her organisation, and Bob with his, as tests of tenants have them."""

from tests.tenants.conftest import acme, alice, bob, quick_passwords

__all__ = ["acme", "alice", "bob", "quick_passwords"]
