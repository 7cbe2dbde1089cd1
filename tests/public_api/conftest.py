"""The users of pages about receiving, as in the tests of receipt rules."""

from tests.receipt_rules.conftest import alice_client, alices, olga_client, sam_client

__all__ = ["alice_client", "alices", "olga_client", "sam_client"]
