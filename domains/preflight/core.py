"""What is known before a domain is added: who handles its mail now, which names are free, what could surprise."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domains.dns.core import Answer, LookupStatus, Question
from domains.names.core import DomainName
from domains.policies.core import NOTHING_KNOWN, PublishedPolicies, dmarc_lines, dmarc_questions
from domains.receiving.core import is_mail_manager
from domains.records.core import mail_from_candidates
from domains.spf.core.grammar import spf_among
from domains.zone_cut.core import cut_of, cut_questions

TAKEN_BY = ("A", "AAAA", "CNAME", "MX", "TXT")


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


NOT_SEEN = ("preflight.mail_unknown", "preflight.bounces_unknown", "preflight.alias_unknown")


@dataclass(frozen=True)
class Preflight:
    domain: DomainName
    noticed: tuple[str, ...]
    findings: tuple[PreflightFinding, ...]
    mail_from_label: str
    record_count: int
    suggestion: str = ""  # a sub-domain that receives no mail yet, where the domain itself does
    provider: str = ""
    zone: str = ""  # where it begins, if below the registrable name
    records_answer: bool = False  # records of an earlier set-up at Amazon are still published
    policies: PublishedPolicies = NOTHING_KNOWN

    @property
    def is_www(self) -> bool:
        """Whether the name of a web site was given, where the domain itself is meant more often."""
        return any(finding.code == "preflight.www" for finding in self.findings)

    @property
    def is_safe(self) -> bool:
        """Whether nothing that works today can stop by what will be published; what was not seen is not safe."""
        return not any(f.level is Level.WARNING or f.code in NOT_SEEN for f in self.findings)

    @property
    def mail_from(self) -> str:
        return f"{self.mail_from_label}.{self.domain.ascii}"


def questions(domain: DomainName) -> tuple[Question, ...]:
    """All that must be asked for `assess`; one batch, at most 45 questions."""
    own = [Question(domain.ascii, kind) for kind in ("MX", "CNAME", "TXT")]
    own += [Question(f"_amazonses.{domain.ascii}", "TXT"), Question(domain.zone, "NS"), Question(domain.zone, "SOA")]
    own += [Question(f"in.{domain.ascii}", "MX"), *cut_questions(domain)]
    candidates = [Question(name, kind) for name in mail_from_candidates(domain) for kind in TAKEN_BY]
    policies = [Question(name, "TXT") for name in dmarc_questions(domain)]
    return tuple(own + candidates + policies)


def assess(
    domain: DomainName,
    answers: Sequence[Answer],
    *,
    noticed: tuple[str, ...] = (),
    verified_parent: str = "",
    provider: str = "",
    record_count: int = 7,
    taken: Collection[str] = (),
) -> Preflight:
    """`answers` to `questions(domain)` by one resolver; `verified_parent` is one of the same customer, or "".

    `taken` are names that are domains here, which may have nothing in DNS yet: none of them is for bounces.
    """
    seen = {answer.question: answer for answer in answers}
    label = _free_label(domain, seen, taken)
    mx = _values(seen, domain.ascii, "MX")
    others = tuple(value for value in mx if not _is_ours(value))
    findings = [*_registration(domain, seen), *_www(domain), _mail_today(domain, seen, others), *_alias(domain, seen)]
    findings += [_mail_from(domain, seen, label), *_parent(verified_parent), _provider(provider)]
    return Preflight(
        domain=domain,
        noticed=noticed,
        findings=tuple(findings),
        mail_from_label=label,
        record_count=record_count,
        suggestion=_suggestion(domain, seen, others),
        provider=provider,
        policies=_policies(domain, seen),
        zone=cut_of(domain, answers) or "",
        records_answer=bool(_values(seen, f"_amazonses.{domain.ascii}", "TXT")) or len(others) < len(mx),
    )


def _policies(domain: DomainName, seen: Mapping[Question, Answer]) -> PublishedPolicies:
    """What is known before the first check, so that nothing weaker is offered even then."""
    texts = {q.name: a for q, a in seen.items() if q.type == "TXT" and a.status is not LookupStatus.FAILED}
    own = texts.get(domain.ascii)
    return PublishedPolicies(
        spf={domain.ascii: spf_among(own.values)} if own else {},
        dmarc={name: dmarc_lines(texts[name].values) for name in dmarc_questions(domain) if name in texts},
        is_there=own is None or own.status is not LookupStatus.NO_NAME,
    )


def _suggestion(domain: DomainName, seen: Mapping[Question, Answer], others: tuple[str, ...]) -> str:
    """The name without "www", at which people have addresses, or a sub-domain beside mail that goes elsewhere."""
    if domain.ascii.startswith("www.") and domain.ascii != domain.zone:
        return domain.ascii.removeprefix("www.")
    beside = f"in.{domain.ascii}"
    is_seen_free = not _values(seen, beside, "MX") and not _failed(seen, beside, "MX")
    return beside if others and is_seen_free else ""


def _www(domain: DomainName) -> list[PreflightFinding]:
    if not domain.ascii.startswith("www.") or domain.ascii == domain.zone:
        return []
    bare = domain.unicode.removeprefix("www.")
    text = f"Addresses usually end in {bare}: you would receive mail for name@{domain.unicode} alone."
    return [PreflightFinding(Level.NOTE, "preflight.www", "This is the name of a web site", text)]


def _registration(domain: DomainName, seen: Mapping[Question, Answer]) -> list[PreflightFinding]:
    soa = seen.get(Question(domain.zone, "SOA"))
    if soa is None or soa.status is not LookupStatus.NO_NAME:
        return []
    text = (
        f"{domain.zone} does not exist on the public internet. Is it spelled right? "
        "If you have just registered it, it can take a while to appear."
    )
    return [PreflightFinding(Level.WARNING, "preflight.no_such_domain", "We cannot find this domain", text)]


def _mail_today(domain: DomainName, seen: Mapping[Question, Answer], others: tuple[str, ...]) -> PreflightFinding:
    answer = seen.get(Question(domain.ascii, "MX"))
    if answer is None or answer.status is LookupStatus.FAILED:
        text = "The look-up got no answer, so we cannot tell whether mail for this domain goes somewhere today."
        return PreflightFinding(Level.NOTE, "preflight.mail_unknown", "We could not see who handles mail today", text)
    if not others:
        text = "No other mail service receives mail for this name, so nothing is taken away from anybody."
        return PreflightFinding(Level.OK, "preflight.mail_free", "No mail is received here today", text)
    hosts = ", ".join(sorted({value.split(" ", 1)[-1] for value in others}))
    if all(is_mail_manager(host) for host in hosts.split(", ")):
        text = (
            f"Mail for {domain.unicode} goes to SES Mail Manager ({hosts}), which is not managed here. If it is used, "
            "leave it as it is and add a sub-domain for us instead; replacing it would stop that mail."
        )
        return PreflightFinding(Level.WARNING, "preflight.mail_manager", "SES Mail Manager receives mail here", text)
    text = (
        f"Mail for {domain.unicode} goes to {hosts}. If people read mail there, leave it as it is and add a sub-domain "
        "for us instead; replacing it would stop that mail."
    )
    return PreflightFinding(Level.WARNING, "preflight.mail_elsewhere", "Mail is already received here today", text)


def _alias(domain: DomainName, seen: Mapping[Question, Answer]) -> list[PreflightFinding]:
    targets = _values(seen, domain.ascii, "CNAME")
    if _failed(seen, domain.ascii, "CNAME"):
        text = "The look-up got no answer, so we cannot tell whether this name is an alias: one can hold no records."
        return [
            PreflightFinding(Level.NOTE, "preflight.alias_unknown", "We could not see whether it is an alias", text)
        ]
    if not targets:
        return []
    text = (
        f"{domain.unicode} is an alias (CNAME) of {targets[0]}. A name that is an alias may hold no other record, "
        "so the mail records cannot be added there. Use another sub-domain, or remove the alias first."
    )
    return [PreflightFinding(Level.WARNING, "preflight.alias", "This name is an alias", text)]


def _mail_from(domain: DomainName, seen: Mapping[Question, Answer], label: str) -> PreflightFinding:
    taken = [name for name in mail_from_candidates(domain) if _in_use(seen, name)]
    text = f"Bounces will use {label}.{domain.unicode}, a name that holds nothing today."
    if taken:
        text += f" ({', '.join(taken)} is in use, so we leave it alone.)"
    if all(_in_use(seen, name) for name in mail_from_candidates(domain)):
        text = "Every name that we tried for bounces is in use. Choose another one under Settings after adding."
        return PreflightFinding(Level.WARNING, "preflight.bounces_taken", "No free name for bounces", text)
    if not _is_free(seen, f"{label}.{domain.ascii}"):
        text = f"Bounces will use {label}.{domain.unicode}. The look-up got no answer, so we cannot tell if it is free."
        return PreflightFinding(
            Level.NOTE, "preflight.bounces_unknown", "We could not see which name is free for bounces", text
        )
    return PreflightFinding(Level.OK, "preflight.bounces_free", "A free name for bounces", text)


def _parent(verified_parent: str) -> list[PreflightFinding]:
    if not verified_parent:
        return []
    text = f"You have verified {verified_parent} already. This sub-domain gets records and settings of its own."
    return [PreflightFinding(Level.NOTE, "preflight.parent", "Part of a domain of yours", text)]


def _provider(provider: str) -> PreflightFinding:
    if not provider:
        text = "You publish the records at the company that answers for your domain's DNS."
        return PreflightFinding(Level.NOTE, "preflight.provider_unknown", "DNS host not recognised", text)
    text = f"{provider} answers for this domain, so that is where you publish the records."
    return PreflightFinding(Level.OK, "preflight.provider", f"Your DNS host is {provider}", text)


def _free_label(domain: DomainName, seen: Mapping[Question, Answer], taken: Collection[str]) -> str:
    names = tuple(name for name in mail_from_candidates(domain) if name not in taken) or mail_from_candidates(domain)
    unused = [name for name in names if not _in_use(seen, name)]
    free = next((name for name in unused if _is_free(seen, name)), (unused or names)[0])
    return free.removesuffix(f".{domain.ascii}")


def _in_use(seen: Mapping[Question, Answer], name: str) -> bool:
    return any(_values(seen, name, kind) for kind in TAKEN_BY)


def _is_free(seen: Mapping[Question, Answer], name: str) -> bool:
    """Every kind of record was asked for and none is there: a look-up that failed frees nothing."""
    return not _in_use(seen, name) and not any(_failed(seen, name, kind) for kind in TAKEN_BY)


def _failed(seen: Mapping[Question, Answer], name: str, kind: str) -> bool:
    answer = seen.get(Question(name, kind))
    return answer is None or answer.status is LookupStatus.FAILED


def _values(seen: Mapping[Question, Answer], name: str, kind: str) -> tuple[str, ...]:
    answer = seen.get(Question(name, kind))
    return answer.values if answer is not None and answer.status is LookupStatus.FOUND else ()


def _is_ours(mx: str) -> bool:
    host = mx.split(" ", 1)[-1]
    return host.startswith("inbound-smtp.") and host.endswith(".amazonaws.com")
