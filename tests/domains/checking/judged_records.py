"""The records of one domain that receives and sends, for tests of how they are judged."""

from datetime import UTC, datetime, timedelta

from domains.names.core import DomainName
from domains.records.core import IdentityFacts, Need, Purpose, Record, records_for
from tests.domains.dns_host import nothing_published

NOW = datetime(2026, 5, 3, 9, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=2)
DOMAIN = DomainName.from_stored("shop.example.com")
TOKEN = "Jq4kTbVnR7wXcZ2mP9sLdF6hG8yA1eU3oB5iN0qWvE4="
RECORDS = {
    record.key: record
    for record in records_for(
        IdentityFacts(
            domain=DOMAIN,
            region="eu-west-1",
            verification_token=TOKEN,
            dkim_tokens=("one32charactertokenlikeamazons1", "two", "three"),
            dkim_zone="dkim.amazonses.com",
            mail_from="bounce.shop.example.com",
            receiving=True,
            wants_apex_spf=True,
            wants_dmarc=True,
            dmarc_reports_to="dmarc@example.com",
            policies=nothing_published(DOMAIN.ascii),
        )
    )
}
RECORDS["challenge"] = Record("challenge", Purpose.OWNERSHIP, Need.REQUIRED, "TXT", "_c.shop.example.com", "claim=abc")
