"""What is known before a domain is added: who handles its mail, which names are free, possible problems. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domains.dns.core import Answer, LookupStatus, Question, cut_of, cut_questions
from domains.names.core import DomainName
from domains.policies.core import (
    NOTHING_KNOWN,
    PublishedPolicies,
    dmarc_lines,
    dmarc_questions,
    inherited_policy,
    offered_dmarc,
    offered_spf,
)
from domains.receiving.core import is_mail_manager
from domains.records.core import mail_from_candidates
from domains.spf.core.grammar import spf_records

RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "TXT")


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    WARNING = "warning"


@dataclass(frozen=True)
class PreflightFinding:
    level: Level
    code: str
    title: str
    text: str


LOOKUP_FAILED = ("preflight.mail_unknown", "preflight.bounces_unknown", "preflight.alias_unknown")


@dataclass(frozen=True)
class Preflight:
    domain: DomainName
    noticed: tuple[str, ...]
    findings: tuple[PreflightFinding, ...]
    mail_from_label: str
    record_count: int
    recommended_count: int = 2
    suggestion: str = ""  # a subdomain without mail, if the domain itself has mail
    provider: str = ""
    zone: str = ""  # its zone, if below the registrable name
    records_answer: bool = False  # records of an earlier SES setup are still published
    policies: PublishedPolicies = NOTHING_KNOWN
    must_prove: bool = False  # ownership must be proven first

    @property
    def is_www(self) -> bool:
        """Return True for a website name, where usually the domain itself is meant."""
        return any(finding.code == "preflight.www" for finding in self.findings)

    @property
    def is_safe(self) -> bool:
        """Return True if the new records cannot stop anything that works today. A failed lookup is not safe."""
        return not any(f.level is Level.WARNING or f.code in LOOKUP_FAILED for f in self.findings)

    @property
    def mail_from(self) -> str:
        return f"{self.mail_from_label}.{self.domain.ascii}"


def questions(domain: DomainName) -> tuple[Question, ...]:
    """Return all questions for `assess`: one batch, at most 45."""
    own = [Question(domain.ascii, kind) for kind in ("MX", "CNAME", "TXT")]
    own += [Question(f"_amazonses.{domain.ascii}", "TXT"), Question(domain.zone, "NS"), Question(domain.zone, "SOA")]
    own += [Question(f"in.{domain.ascii}", "MX"), *cut_questions(domain)]
    candidates = [Question(name, kind) for name in mail_from_candidates(domain) for kind in RECORD_TYPES]
    policies = [Question(name, "TXT") for name in dmarc_questions(domain)]
    return tuple(own + candidates + policies)


def assess(
    domain: DomainName,
    answers: Sequence[Answer],
    *,
    noticed: tuple[str, ...] = (),
    verified_parent: str = "",
    provider: str | None = "",
    record_count: int = 7,
    taken: Collection[str] = (),
    region: str = "",
) -> Preflight:
    """Assess the answers of one resolver to `questions(domain)`. `verified_parent` belongs to the same customer, or is
    "".

    An MX of SES in another `region` is another mail service. `taken` are names of domains here, which may have no DNS
    records yet. None of them is used for MAIL FROM or suggested.
    """
    seen = {answer.question: answer for answer in answers}
    label = _free_label(domain, seen, taken)
    mx = _values(seen, domain.ascii, "MX")
    others = tuple(value for value in mx if not _is_ses(value, region) and value.partition(" ")[2])  # without null MX
    findings = [*(missing := _registration(domain, seen)), *_www(domain), *_parent(verified_parent)]
    if not missing:  # for a name that does not exist, all other findings are misleading
        findings += [_mail_today(domain, seen, others), *_alias(domain, seen)]
        findings += [_mail_from(domain, seen, label), _provider(provider)]
    suggestion, policies = _suggestion(domain, seen, others), _policies(domain, seen)
    return Preflight(
        domain=domain,
        noticed=noticed,
        findings=tuple(findings),
        mail_from_label=label,
        record_count=record_count,
        recommended_count=_recommended(domain, policies),
        suggestion="" if suggestion in taken else suggestion,
        provider=provider or "",
        policies=policies,
        zone=cut_of(domain, answers) or "",
        records_answer=bool(_values(seen, f"_amazonses.{domain.ascii}", "TXT")) or any(map(_is_ses, mx)),
    )


def _recommended(domain: DomainName, policies: PublishedPolicies) -> int:
    """Return how many SPF and DMARC records will be offered, by the rules that create them."""
    offers = [offered_spf(domain.ascii, policies, is_apex=True)]
    if not _inherits(domain, policies):
        offers.append(offered_dmarc(domain, "", policies))
    return sum(bool(offer.value) for offer in offers)


def _inherits(domain: DomainName, policies: PublishedPolicies) -> bool:
    """Return True if a parent domain's DMARC record applies, so that none is needed."""
    if policies.dmarc.get(dmarc_questions(domain)[0]):
        return False
    try:
        return inherited_policy(domain, policies) is not None
    except ValueError:
        return False


def _policies(domain: DomainName, seen: Mapping[Question, Answer]) -> PublishedPolicies:
    """Return what is known before the first check, so that even then nothing weaker is offered."""
    texts = {q.name: a for q, a in seen.items() if q.type == "TXT" and a.status is not LookupStatus.FAILED}
    own = texts.get(domain.ascii)
    return PublishedPolicies(
        spf={domain.ascii: spf_records(own.values)} if own else {},
        dmarc={name: dmarc_lines(texts[name].values) for name in dmarc_questions(domain) if name in texts},
        is_there=own is None or own.status is not LookupStatus.NO_NAME,
    )


def suggested_names(domain: DomainName) -> tuple[str, ...]:
    """Return the names that `assess` may suggest instead of this one."""
    return (f"in.{domain.ascii}", domain.ascii.removeprefix("www."))


def _suggestion(domain: DomainName, seen: Mapping[Question, Answer], others: tuple[str, ...]) -> str:
    """Return the name without "www", or a subdomain if mail of the domain goes elsewhere."""
    if domain.ascii.startswith("www.") and domain.ascii != domain.zone:
        return domain.ascii.removeprefix("www.")
    subdomain = f"in.{domain.ascii}"
    is_seen_free = not _values(seen, subdomain, "MX") and not _failed(seen, subdomain, "MX")
    return subdomain if others and is_seen_free else ""


def _www(domain: DomainName) -> list[PreflightFinding]:
    if not domain.ascii.startswith("www.") or domain.ascii == domain.zone:
        return []
    bare = domain.unicode.removeprefix("www.")
    text = f"Email addresses usually end in {bare}. This domain would only receive mail for name@{domain.unicode}."
    return [PreflightFinding(Level.NOTE, "preflight.www", "This is a website name", text)]


def _registration(domain: DomainName, seen: Mapping[Question, Answer]) -> list[PreflightFinding]:
    soa = seen.get(Question(domain.zone, "SOA"))
    if soa is None or soa.status is not LookupStatus.NO_NAME:
        return []
    text = (
        f"{domain.zone} doesn't exist on the public internet. Check the spelling. "
        "A newly registered domain can take a while to appear."
    )
    return [PreflightFinding(Level.WARNING, "preflight.no_such_domain", "Domain not found", text)]


def _mail_today(domain: DomainName, seen: Mapping[Question, Answer], others: tuple[str, ...]) -> PreflightFinding:
    answer = seen.get(Question(domain.ascii, "MX"))
    if answer is None or answer.status is LookupStatus.FAILED:
        text = "The DNS lookup failed, so we can't tell whether another service receives mail for this domain."
        return PreflightFinding(Level.NOTE, "preflight.mail_unknown", "Current mail service unknown", text)
    if not others:
        text = "No other service receives mail for this domain."
        return PreflightFinding(Level.OK, "preflight.mail_free", "No mail service is set up", text)
    hosts = ", ".join(sorted({value.split(" ", 1)[-1] for value in others}))
    if all(is_mail_manager(host) for host in hosts.split(", ")):
        text = (
            f"Mail for {domain.unicode} goes to SES Mail Manager ({hosts}), which isn't managed here. If it's in use, "
            "keep it and add a subdomain instead. Replacing it would stop that mail."
        )
        return PreflightFinding(Level.WARNING, "preflight.mail_manager", "SES Mail Manager receives mail here", text)
    text = (
        f"Mail for {domain.unicode} goes to {hosts}. If you use those mailboxes, keep them and add a subdomain "
        "instead. Replacing the MX record would stop that mail."
    )
    return PreflightFinding(Level.WARNING, "preflight.mail_elsewhere", "Another service already receives mail", text)


def _alias(domain: DomainName, seen: Mapping[Question, Answer]) -> list[PreflightFinding]:
    targets = _values(seen, domain.ascii, "CNAME")
    if _failed(seen, domain.ascii, "CNAME"):
        text = "The DNS lookup failed, so we can't tell whether this name is a CNAME, which can't have other records."
        return [PreflightFinding(Level.NOTE, "preflight.alias_unknown", "CNAME check failed", text)]
    if not targets:
        return []
    text = (
        f"{domain.unicode} is a CNAME to {targets[0]}. A name with a CNAME can't have other records, "
        "so you can't add the mail records there. Use another subdomain, or remove the CNAME first."
    )
    return [PreflightFinding(Level.WARNING, "preflight.alias", "This name is a CNAME", text)]


def _mail_from(domain: DomainName, seen: Mapping[Question, Answer], label: str) -> PreflightFinding:
    taken = [name for name in mail_from_candidates(domain) if _in_use(seen, name)]
    text = f"The MAIL FROM domain will be {label}.{domain.unicode}. It has no records yet."
    if taken:
        text += f" ({', '.join(taken)} {'is' if len(taken) == 1 else 'are'} already in use.)"
    if all(_in_use(seen, name) for name in mail_from_candidates(domain)):
        text = "All the names we tried are in use. Choose a MAIL FROM domain under Settings after you add the domain."
        return PreflightFinding(Level.WARNING, "preflight.bounces_taken", "No MAIL FROM domain is available", text)
    if not _is_free(seen, f"{label}.{domain.ascii}"):
        text = f"The MAIL FROM domain will be {label}.{domain.unicode}. The DNS lookup failed, so it may be in use."
        return PreflightFinding(Level.NOTE, "preflight.bounces_unknown", "MAIL FROM domain not checked", text)
    return PreflightFinding(Level.OK, "preflight.bounces_free", "MAIL FROM domain is available", text)


def _parent(verified_parent: str) -> list[PreflightFinding]:
    if not verified_parent:
        return []
    text = f"You've already verified {verified_parent}. This subdomain gets its own records and settings."
    return [PreflightFinding(Level.NOTE, "preflight.parent", f"Subdomain of {verified_parent}", text)]


def _provider(provider: str | None) -> PreflightFinding:
    """None: the lookup failed, so nothing is known of it."""
    if provider is None:
        text = "The lookup of its nameservers failed. Add the records wherever you manage DNS for this domain."
        return PreflightFinding(Level.NOTE, "preflight.provider_unchecked", "DNS host not checked", text)
    if not provider:
        text = "Add the records wherever you manage DNS for this domain."
        return PreflightFinding(Level.NOTE, "preflight.provider_unknown", "DNS host not recognised", text)
    text = f"Publish the records at {provider}."
    return PreflightFinding(Level.OK, "preflight.provider", f"Your DNS host is {provider}", text)


def _free_label(domain: DomainName, seen: Mapping[Question, Answer], taken: Collection[str]) -> str:
    names = tuple(name for name in mail_from_candidates(domain) if name not in taken) or mail_from_candidates(domain)
    unused = [name for name in names if not _in_use(seen, name)]
    free = next((name for name in unused if _is_free(seen, name)), (unused or names)[0])
    return free.removesuffix(f".{domain.ascii}")


def _in_use(seen: Mapping[Question, Answer], name: str) -> bool:
    return any(_values(seen, name, kind) for kind in RECORD_TYPES)


def _is_free(seen: Mapping[Question, Answer], name: str) -> bool:
    """Return True if every record type was looked up and none exists. A failed lookup does not count as free."""
    return not _in_use(seen, name) and not any(_failed(seen, name, kind) for kind in RECORD_TYPES)


def _failed(seen: Mapping[Question, Answer], name: str, kind: str) -> bool:
    answer = seen.get(Question(name, kind))
    return answer is None or answer.status is LookupStatus.FAILED


def _values(seen: Mapping[Question, Answer], name: str, kind: str) -> tuple[str, ...]:
    answer = seen.get(Question(name, kind))
    return answer.values if answer is not None and answer.status is LookupStatus.FOUND else ()


def _is_ses(mx: str, region: str = "") -> bool:
    """Return True if SES receives the mail, in that region or in any."""
    host = mx.split(" ", 1)[-1]
    return host.startswith(f"inbound-smtp.{region}") and host.endswith(".amazonaws.com")
