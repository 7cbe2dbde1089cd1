"""What somebody typed into the one box: which things it could name. Amazon's ARNs and our ids say it themselves."""

import re
from dataclasses import dataclass

DKIM_TOKEN = re.compile(r"[a-z0-9]{32}")
LONGEST = 300


@dataclass(frozen=True)
class SearchQuery:
    """`text` is to be looked for; `identity`, `tenant`, `rule`: what an ARN names, "" where it names none."""

    text: str
    identity: str = ""
    tenant: str = ""
    rule: str = ""

    @property
    def is_arn(self) -> bool:
        return bool(self.identity or self.tenant or self.rule)

    @property
    def may_be_token(self) -> bool:
        return bool(DKIM_TOKEN.fullmatch(self.text.lower()))

    @property
    def may_be_address(self) -> bool:
        return "@" in self.text


def read_query(text: str) -> SearchQuery:
    """Without what people paste along: a scheme, a path, brackets, `mailto:`, a record's name around a DKIM token."""
    plain = " ".join(text.replace("\x00", "").split())[:LONGEST]
    if plain.startswith("arn:"):
        return _arn(plain)
    plain = re.sub(r"^(https?://|mailto:)", "", plain, flags=re.IGNORECASE).strip("<>")
    plain = plain.partition("/")[0].rstrip(".") if "@" not in plain else plain.partition("?")[0]
    label = plain.partition("._domainkey")[0] if "._domainkey" in plain else plain.partition(".dkim.")[0]
    return SearchQuery(label if DKIM_TOKEN.fullmatch(label.lower()) else plain)


def _arn(text: str) -> SearchQuery:
    """arn:partition:ses:region:account:kind/name; a tenant's has its id behind, a rule's its set before."""
    parts = text.split(":", 5)
    kind, _, name = parts[5].partition("/") if len(parts) > 5 else ("", "", "")
    if kind == "identity":
        return SearchQuery(text, identity=name.lower())
    if kind == "tenant":
        return SearchQuery(text, tenant=name.partition("/")[0])
    if kind == "receipt-rule-set" and ":receipt-rule/" in name:
        return SearchQuery(text, rule=name.partition(":receipt-rule/")[2])
    return SearchQuery(text)
