"""Who looks at the pages about receiving, as tests of receipt rules have them."""

from tests.receipt_rules.conftest import alice_client, alices, olga_client, sam_client

__all__ = ["alice_client", "alices", "olga_client", "sam_client"]
