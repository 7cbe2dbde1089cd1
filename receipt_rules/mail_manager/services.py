"""Reads the ingress points of SES Mail Manager in the account, and finds our domains that point to them."""

from collections.abc import Sequence
from dataclasses import replace

from domains.dns.core import Answer, Question
from domains.domain_list.selectors import domains_in_region, of_own_name
from domains.nameservers import services as nameservers_services
from domains.receiving.core import MxFact, is_mail_manager
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.mail_manager import gateway
from receipt_rules.mail_manager.gateway import IngressPoint, domains_at, domains_elsewhere
from receipt_rules.receiving_setup.core import SetupFinding, SetupVerdict, could_not_tell, first_of

WHAT = "Mail Manager"
MOST_PAGES = 20
MOST_READ = 10  # ingress points whose rule sets are read: the page waits for them
MOST_ASKED = 50
LEAVE = "Change the domain to send only, or point its MX record here once its addresses are ready."
NO_DOMAIN = "None of our domains points there."


def check_mail_manager() -> tuple[SetupFinding, ...]:
    """Return findings; none if the account doesn't use it and no MX names it. Two calls, and one for each point."""
    hosts = _domains_there()
    try:
        points = read_ingress_points()
    except AwsProblem as problem:
        failed = could_not_tell(WHAT, problem)
        return (failed, _unclear(tuple(hosts))) if hosts else (failed,)
    found = [_of_point(point, domains_at(point, hosts)) for point in points]
    if unclear := tuple(name for name, named in hosts.items() if not named):
        found.append(_unclear(unclear))
    if others := domains_elsewhere(points, hosts):
        sentence = (
            f"The MX of {first_of(others)} points to a Mail Manager outside this account and region, so receipt "
            "rules never see that mail."
        )
        found.append(SetupFinding(WHAT, SetupVerdict.COULD_NOT_TELL, sentence, LEAVE))
    return tuple(found)


def read_ingress_points() -> tuple[IngressPoint, ...]:
    """Return all points of this account and region, the first ten with the names of their rule sets.

    Raises AwsProblem.
    """
    points: list[IngressPoint] = []
    token = ""
    for _ in range(MOST_PAGES):
        page, token = gateway.list_ingress_points(token)
        points += page
        if not token:
            break
    if not points:
        return ()
    names = _rule_set_names()
    read = [replace(p, rule_set=_named(gateway.get_ingress_point(p.id), names)) for p in points[:MOST_READ]]
    return (*read, *points[MOST_READ:])


def _named(rule_set: str, names: dict[str, str]) -> str:
    return names.get(rule_set, rule_set)


def _rule_set_names() -> dict[str, str]:
    names: dict[str, str] = {}
    token = ""
    for _ in range(MOST_PAGES):
        page, token = gateway.list_rule_sets(token)
        names |= dict(page)
        if not token:
            break
    return names


def _of_point(point: IngressPoint, domains: tuple[str, ...]) -> SetupFinding:
    by = f", with the rule set {point.rule_set}" if point.rule_set else ""
    sentence = f"This account has the ingress point {point.name} ({point.host}){by}."
    if not domains:
        return SetupFinding(WHAT, SetupVerdict.RIGHT, f"{sentence} {NO_DOMAIN}")
    sentence += f" The MX of {first_of(domains)} points to SES Mail Manager, so receipt rules never see that mail."
    return SetupFinding(WHAT, SetupVerdict.COULD_NOT_TELL, sentence, LEAVE)


def _domains_there() -> dict[str, tuple[str, ...]]:
    """Return the Mail Manager hosts in each domain's MX, if the last check found one; () if the lookup fails now."""
    rows = domains_in_region().annotate(own_mx=of_own_name("mx_facts")).filter(receives=True)
    names = list(rows.filter(own_mx=MxFact.MAIL_MANAGER).order_by("name").values_list("name", flat=True))
    questions = [Question(name, "MX") for name in names[:MOST_ASKED]]
    answers = nameservers_services.query_resolvers(questions) if names else {}
    return {name: _hosts(answers.get(Question(name, "MX"), ())) for name in names}


def _hosts(answers: Sequence[Answer]) -> tuple[str, ...]:
    hosts = (value.rpartition(" ")[2].rstrip(".").lower() for answer in answers for value in answer.values)
    return tuple(dict.fromkeys(host for host in hosts if is_mail_manager(host)))


def _unclear(names: tuple[str, ...]) -> SetupFinding:
    sentence = f"The MX of {first_of(names)} points to SES Mail Manager, so receipt rules never see that mail."
    return SetupFinding(WHAT, SetupVerdict.COULD_NOT_TELL, sentence, LEAVE)
