"""DNS lookups of the verifier for one identity: real packets to the sandbox's DNS server."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from sandbox.aws import names
from sandbox.aws.state import Soa

TIMEOUT_SECONDS = 2.0
Verdict = Literal["SUCCESS", "DNS_SERVER_ERROR", "HOST_NOT_FOUND", "TYPE_NOT_FOUND", "INVALID_VALUE"]


@dataclass(frozen=True)
class Job:
    """The lookups for one identity, read under the lock and used outside it."""

    account: str
    region: str
    name: str
    txt: str | None
    dkim: tuple[str, ...]
    zone: str
    mail_from: str


@dataclass(frozen=True)
class Found:
    """None: not looked up. DNS_SERVER_ERROR is no verdict: a failed lookup says nothing about the record."""

    txt: Verdict | None
    dkim: Verdict | None
    mail_from: Verdict | None
    soa: Soa | None


def resolver(address: str) -> dns.asyncresolver.Resolver:
    """`address`: host:port."""
    host, _, port = address.rpartition(":")
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers, made.port = [host], int(port)
    made.timeout = made.lifetime = TIMEOUT_SECONDS
    return made


async def look_up(job: Job, through: dns.asyncresolver.Resolver) -> Found:
    txt, dkim, mail_from, soa = await asyncio.gather(
        _txt(job, through), _dkim(job, through), _mail_from(job, through), _soa(job.name, through)
    )
    return Found(txt, dkim, mail_from, soa)


async def _judge(
    through: dns.asyncresolver.Resolver, name: str, kind: str, is_right: Callable[[list[str]], bool]
) -> Verdict:
    try:
        answer = await through.resolve(name, kind, search=False)
    except dns.resolver.NXDOMAIN:
        return "HOST_NOT_FOUND"
    except dns.resolver.NoAnswer:
        return "TYPE_NOT_FOUND"
    except (dns.exception.DNSException, OSError):
        return "DNS_SERVER_ERROR"
    return "SUCCESS" if is_right([_text(rdata) for rdata in answer]) else "INVALID_VALUE"


def _text(rdata: dns.rdata.Rdata) -> str:
    """Return TXT strings joined and unchanged; names in lower case without the last dot; only the host of an MX."""
    if rdata.rdtype == dns.rdatatype.TXT:
        return b"".join(rdata.strings).decode("utf-8", "replace")  # type: ignore[attr-defined]  # TXT has strings
    return rdata.to_text().split()[-1].rstrip(".").lower()


async def _all(judged: list[Awaitable[Verdict]]) -> Verdict:
    """SUCCESS if all are; else no verdict if one look-up failed, else the first thing that is wrong."""
    verdicts = await asyncio.gather(*judged)
    failed = [verdict for verdict in verdicts if verdict != "SUCCESS"]
    if not failed:
        return "SUCCESS"
    return "DNS_SERVER_ERROR" if "DNS_SERVER_ERROR" in failed else failed[0]


async def _txt(job: Job, through: dns.asyncresolver.Resolver) -> Verdict | None:
    token = job.txt
    if token is None:
        return None
    usual = await _judge(through, f"_amazonses.{job.name}", "TXT", lambda texts: token in texts)
    if usual == "SUCCESS":
        return usual
    apex = await _judge(through, job.name, "TXT", lambda texts: f"amazonses:{token}" in texts)
    if apex in {"SUCCESS", "DNS_SERVER_ERROR"}:
        return apex
    return usual


async def _dkim(job: Job, through: dns.asyncresolver.Resolver) -> Verdict | None:
    if not job.dkim:
        return None

    def one(token: str) -> Awaitable[Verdict]:
        right = [f"{token}.{job.zone}"]
        return _judge(through, f"{token}._domainkey.{job.name}", "CNAME", lambda targets: targets == right)

    return await _all([one(token) for token in job.dkim])


async def _mail_from(job: Job, through: dns.asyncresolver.Resolver) -> Verdict | None:
    if not job.mail_from:
        return None
    only = [names.feedback_host(job.region)]
    return await _judge(through, job.mail_from, "MX", lambda hosts: hosts == only)


async def _soa(name: str, through: dns.asyncresolver.Resolver) -> Soa | None:
    """Of the zone that the name is in; None where it cannot be told."""
    try:
        zone = await dns.asyncresolver.zone_for_name(dns.name.from_text(name), resolver=through)
        record = (await through.resolve(zone, "SOA", search=False))[0]
    except (dns.exception.DNSException, OSError):
        return None
    return Soa(record.mname.to_text(True), record.rname.to_text(True), record.serial)
