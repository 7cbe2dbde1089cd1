"""The stable code of every finding, with its title, its number in the catalogue of mistakes, and the link it breaks.

Pages, API, webhooks, command line and documentation use the same code: never rename one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from inbound_admin.lib.tables import keyed


@dataclass(frozen=True)
class Code:
    """`mistake` is "" for what is no mistake; `link` is a key of `findings.LINKS`."""

    code: str
    title: str
    mistake: str
    link: str


_ALL = (
    Code("dns.domain.no_such", "The domain does not exist", "M08", "exists"),
    Code("dns.domain.lapsed", "The domain has lapsed or is on hold", "M35", "exists"),
    Code("dns.change.nameservers", "The domain moved to another DNS host", "M36", "delegated"),
    Code("dns.host.elsewhere", "Added at a company that does not answer for the domain", "M06", "delegated"),
    Code("dns.delegation.sub_zone", "That part of the domain is answered elsewhere", "M34", "delegated"),
    Code("dns.server.silent", "The name servers do not answer", "M35", "agree"),
    Code("dns.server.lame", "One name server does not know the domain", "M35", "agree"),
    Code("dns.server.disagree", "The name servers disagree", "M32", "agree"),
    Code("dns.dnssec.broken", "DNSSEC is broken", "M33", "dnssec"),
    Code("dns.lookup_failed", "We could not look", "", "agree"),
    Code("dns.change.gone", "It was there and is gone", "M36", "name"),
    Code("dns.absent", "Not there yet", "", "name"),
    Code("dns.name.doubled_zone", "The domain is in the name twice", "M01", "name"),
    Code("dns.name.apex", "Put at the domain itself", "M04", "name"),
    Code("dns.name.apex_mx", "The return address takes over all mail", "M04", "name"),
    Code("dns.name.wrong_parent", "Relative to the wrong name", "M05", "name"),
    Code("dns.name.swapped", "Name and value are swapped", "M12", "name"),
    Code("dns.name.underscore", "Underscores are refused", "M15", "name"),
    Code("dns.name.spf_at_apex", "SPF at the domain instead of at the return address", "M19", "name"),
    Code("dns.name.dmarc", "DMARC at the wrong name", "M29", "name"),
    Code("dns.time.unpublished", "Saved but not published", "M07", "name"),
    Code("dns.rival.wildcard", "A catch-all record answers", "M27", "name"),
    Code("dns.value.wrong_type", "Right value, wrong type", "M13", "type"),
    Code("dns.value.flattened", "The DNS host hides the alias", "M25", "type"),
    Code("dns.rival.proxied", "A proxy answers instead of the alias", "M25", "type"),
    Code("dns.value.zone_appended", "The domain was added to the value", "M02", "value"),
    Code("dns.value.dot", "A dot too many at the end", "M03", "value"),
    Code("dns.value.quoted", "Quotation marks in the value", "M09", "value"),
    Code("dns.value.cut", "The value is cut short", "M10", "value"),
    Code("dns.value.typo", "A letter is wrong", "M11", "value"),
    Code("dns.value.case", "Capitals were lost", "M14", "value"),
    Code("dns.value.priority_inside", "The priority is inside the value", "M16", "value"),
    Code("dns.value.spaces", "A space or unseen character", "M17", "value"),
    Code("dns.value.other_region", "Of another Amazon region", "M28", "value"),
    Code("dns.value.old_key", "Of an earlier set-up", "M28", "value"),
    Code("dns.value.other_token", "Of another Amazon account or region", "M28", "value"),
    Code("dns.value.ip", "An IP address instead of a host name", "M30", "value"),
    Code("dns.value.mx_alias", "A mail server that is an alias", "M30", "value"),
    Code("dns.rival.null_mx", "“No mail” is published", "M30", "value"),
    Code("dns.value.prefixed", "“amazonses:” in front of the value", "", "value"),
    Code("dns.value.differs", "Something else is there", "", "value"),
    Code("dns.value.spf_without_amazon", "SPF without Amazon", "", "value"),
    Code("dns.value.spf_order", "Amazon stands where SPF is not read", "", "value"),
    Code("dns.value.spf_syntax", "SPF with a word that nobody knows", "", "value"),
    Code("dns.value.spf_open", "SPF lets everybody send", "", "value"),
    Code("dns.value.spf_lookups", "SPF asks for too many look-ups", "M20", "value"),
    Code("dns.value.dmarc_policy", "DMARC without a valid policy", "M29", "value"),
    Code("dns.value.dmarc_reports", "DMARC's reports go elsewhere", "", "value"),
    Code("dns.value.dmarc_strict", "DMARC is strict and nothing is signed", "M29", "value"),
    Code("dns.rival.spf", "Two SPF records", "M18", "rivals"),
    Code("dns.rival.mx", "Mail goes elsewhere", "M21", "rivals"),
    Code("dns.rival.forwarding", "The registrar forwards the mail", "M26", "rivals"),
    Code("dns.rival.mail_from_mx", "A second MX at the return address", "M22", "rivals"),
    Code("dns.rival.mail_from_in_use", "The name for bounces is in use", "M23", "rivals"),
    Code("dns.rival.cname", "An alias stands beside it", "M24", "rivals"),
    Code("dns.rival.dmarc", "Two DMARC records", "M29", "rivals"),
    Code("dns.spreading", "Published, and on its way", "M31", "visible"),
    Code("amazon.behind", "Right in DNS; Amazon is behind", "M37", "amazon"),
    Code("amazon.gave_up", "Amazon has stopped looking", "M37", "amazon"),
    Code("amazon.lost", "Amazon does not see it now", "M37", "amazon"),
    Code("amazon.unknown", "We could not ask Amazon", "", "amazon"),
    Code("amazon.held_elsewhere", "Ownership not proven", "M38", "amazon"),
)
CODES: Mapping[str, Code] = keyed((code.code, code) for code in _ALL)
MISTAKES = tuple(sorted({code.mistake for code in _ALL} - {""}))
