"""The Amazon hosts that SES's records point to, so that every record a customer publishes resolves.

Also the SPF records of two mailbox hosts that most customers already include. All addresses are from the documentation
ranges (RFC 5737), because nothing offline may reach the real hosts.
"""

import re
from typing import Final

from sandbox.dns.records import ZoneRecord
from sandbox.dns.view import Node

ROOT_SOA: Final = "a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 60"
AMAZON_SOA: Final = "ns1.amzndns.com. awsdns-hostmaster.amazon.com. 2026010100 900 300 604800 60"
SPF: Final = "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all"
# A 2,048-bit key, as Easy DKIM's; its private half was never kept.
DKIM_KEY: Final = (
    "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkgbIMuiNZqphQ8I6lmqaZBKP9gK57IMISK8EP75tLr+5W8brHj3nAAA/Owv58lZEvt/"
    "nDc2psrUajBCa6dyUZQV6BqbG1J406NwAXa9i/X4HFW+miboX0PnYvyLOT7K4BnBSjsfPFGNdQqiq+gPapGsAzDTFAvOKxfHDQi5xivPA9WT6DHz9Z"
    "f0P26IQyac+l5QIbUQbXQGg6xTrSzUKHSFOvonj69QLw3fRXNZDgkDsv3CgKrNJXIX6NFIDP+Nc48zVvy3f+HgSQiyCel+PdJV987HecH+irmiBXSKU"
    "WFpqMIsqhsem6qP+SK62YwzR4wRJWRVzotzd4o8Jp+XUowIDAQAB"
)
_REGION = "[a-z]{2}(-[a-z]+)+-[0-9]"
_RECORDS: Final = (
    (re.compile(r"_spf\.google\.com|spf\.protection\.outlook\.com"), "TXT", "v=spf1 ip4:203.0.113.0/24 ~all"),
    (re.compile(rf"[a-z0-9]+\.dkim(\.{_REGION})?\.amazonses\.com"), "TXT", DKIM_KEY),
    (re.compile(rf"inbound-smtp\.{_REGION}\.amazonaws\.com"), "A", "192.0.2.10"),
    (re.compile(rf"feedback-smtp\.{_REGION}\.amazonses\.com"), "A", "192.0.2.20"),
)


def node_of(name: str) -> Node | None:
    """Return the records at a name outside the sandbox's zones; None if there are none."""
    if name in ("", "amazonaws.com", "amazonses.com"):
        soa = {"SOA": (soa_above(name),)}
        return {**soa, "TXT": (ZoneRecord("", name, "TXT", 900, SPF),)} if name == "amazonses.com" else soa
    for pattern, rrtype, value in _RECORDS:
        if pattern.fullmatch(name):
            return {rrtype: (ZoneRecord("", name, rrtype, 900, value),)}
    return None


def soa_above(name: str) -> ZoneRecord:
    """Return the SOA for a negative answer at such a name: Amazon's below its domains, else the root's."""
    for apex in ("amazonaws.com", "amazonses.com"):
        if name == apex or name.endswith(f".{apex}"):
            return ZoneRecord("", apex, "SOA", 900, AMAZON_SOA)
    return ZoneRecord("", "", "SOA", 900, ROOT_SOA)
