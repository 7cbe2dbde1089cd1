"""What is wrong with the whole zone: it does not exist, its servers are silent or lame, DNSSEC refuses all answers."""

import re

from domains.core.comparing import is_close
from domains.core.diagnosis.causes import Case, Cause
from domains.core.diagnosis.observations import knows_its_zone, serial_of
from domains.core.observing import Status

# Where a registrar points a domain that was not paid for, or that a registry suspended.
_LAPSED = re.compile(r"expir|pendingrenewal|renewyourname|suspended|onhold|registrar-?hold|redemption", re.IGNORECASE)


def zone_causes(case: Case) -> tuple[Cause, ...]:
    """In the order of the chain; after one that is not a note the rest of the look tells little."""
    return (*_existence(case), *_moved(case), *_servers(case), *_dnssec(case))


def is_lost(case: Case) -> bool:
    """Whether nobody who answers for the zone could be heard, so that no record can be judged."""
    return bool(_existence(case)) or any(cause.code == "dns.server.silent" for cause in _servers(case))


def silent_servers(case: Case) -> tuple[str, ...]:
    """The name servers that did not answer for the zone as its own."""
    return tuple(soa.resolver for soa in case.seen.soas if not knows_its_zone(soa))


def _existence(case: Case) -> tuple[Cause, ...]:
    """The parent's word counts before the resolvers'; one who says that it exists outweighs those who do not."""
    said = case.seen.parent or (*case.seen.public_soas, *case.seen.unchecked)
    told = [answer for answer in said if answer.status is not Status.FAILED or answer.cut]
    if told and all(answer.status is Status.NO_NAME for answer in told):
        known = bool(case.history.verified or case.history.nameservers)
        return (Cause("dns.domain.lapsed" if known else "dns.domain.no_such", at=_meant(case)),)
    parked = tuple(name for name in case.seen.servers if _LAPSED.search(name))
    return (Cause("dns.domain.lapsed", found=parked),) if parked else ()


def _meant(case: Case) -> str:
    """Another domain of the customer's that differs by a letter or two, "" where there is none."""
    zone = case.domain.zone
    return next((name for name in case.history.sisters if name != zone and is_close(name, zone, 2)), "")


def _moved(case: Case) -> tuple[Cause, ...]:
    """The name servers are all others than when the records were right; what is missing is missing at the new ones."""
    before, now = case.history.nameservers, case.seen.servers
    if not before or not now or set(before) & set(now) or not case.history.verified:
        return ()
    return (Cause("dns.change.nameservers", found=now, at=", ".join(before)),)


def _servers(case: Case) -> tuple[Cause, ...]:
    """All silent is nobody's mistake that we could name; one of several is."""
    silent, soas = silent_servers(case), case.seen.soas
    if case.seen.by_resolver or not silent:
        return _unreachable(case)
    if len(silent) == len(soas):
        return (Cause("dns.server.silent", found=_why(case)),)
    return (Cause("dns.server.lame", found=_why(case), at=silent[0]),)


def _unreachable(case: Case) -> tuple[Cause, ...]:
    """Nobody told us the name servers, and the resolvers cannot reach them either."""
    said = (*case.seen.public_soas, *case.seen.unchecked)
    lost = bool(said) and not case.seen.soas and all(answer.status is Status.FAILED for answer in said)
    return (Cause("dns.server.silent", found=tuple(answer.error for answer in said)[:1]),) if lost else ()


def _why(case: Case) -> tuple[str, ...]:
    return tuple(
        f"{soa.resolver}: {soa.error or 'it does not know the domain'}"
        for soa in case.seen.soas
        if not knows_its_zone(soa)
    )


def _dnssec(case: Case) -> tuple[Cause, ...]:
    """The same resolver refuses, and answers when it is asked not to check (the CD bit)."""
    unchecked = {answer.resolver for answer in case.seen.unchecked if answer.status is Status.FOUND}
    refused = [soa for soa in case.seen.public_soas if soa.status is Status.FAILED and soa.resolver in unchecked]
    return (Cause("dns.dnssec.broken", found=(refused[0].error,)),) if refused else ()


def serials(case: Case) -> tuple[tuple[str, str], ...]:
    """Of each server that told one."""
    return tuple((soa.resolver, serial) for soa in case.seen.soas if (serial := serial_of(soa)))
