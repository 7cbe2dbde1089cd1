"""Alice with her organisation, and Bob with his, as in the tests of tenants."""

from tests.tenants.conftest import acme, alice, bob, fast_password_hasher

__all__ = ["acme", "alice", "bob", "fast_password_hasher"]
