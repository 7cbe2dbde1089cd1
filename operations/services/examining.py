"""`manage.py doctor`: whether this deployment can do its work, with a sentence for each fault.

Everything is looked at as the product itself does it, and nothing is changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import DatabaseError
from django.utils import timezone

from domains.core.observing import Question, Status
from domains.services.looking import look_up
from inbound_admin.lib import aws
from inbound_admin.lib.database import missing_migrations
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsMissing, AwsProblem, AwsUnreachable, Refused
from inbound_admin.lib.jobs import WORKER_SILENT_AFTER, worker_silent_for
from operations.core.examining import clock
from operations.gateway import permissions
from receipt_rules.core.findings import Finding, Verdict
from receipt_rules.services import checking

Read = Callable[[], None]
# By SES's names of the operations, which are those of the IAM actions.
READS: tuple[tuple[str, Read], ...] = (
    ("ses:GetAccount", permissions.get_account),
    ("ses:ListEmailIdentities", permissions.list_email_identities),
    ("ses:GetEmailIdentity", permissions.get_email_identity),
    ("ses:GetIdentityVerificationAttributes", permissions.get_identity_verification_attributes),
    ("ses:ListReceiptRuleSets", permissions.list_receipt_rule_sets),
    ("ses:DescribeActiveReceiptRuleSet", permissions.describe_active_receipt_rule_set),
    ("ses:ListReceiptFilters", permissions.list_receipt_filters),
    ("ses:ListTenants", permissions.list_tenants),
    ("ses:GetTenant", permissions.get_tenant),
    ("ses:ListTenantResources", permissions.list_tenant_resources),
    ("ses:ListReputationEntities", permissions.list_reputation_entities),
    ("ses:ListRecommendations", permissions.list_recommendations),
    ("ses:GetConfigurationSet", permissions.get_configuration_set),
    ("cloudwatch:GetMetricData", permissions.get_metric_data),
)
ASKED_OF_DNS = Question("amazonses.com", "NS")


def examine() -> Iterator[Finding]:
    """One by one, as each is known: with Amazon's pace all of it takes about twenty seconds."""
    yield from _settings()
    database = _database()
    yield database
    if database.verdict is not Verdict.RIGHT:
        return  # the pace to Amazon is kept in it, so that nothing else can be asked
    yield _worker()
    yield _dns()
    identity = _identity()
    yield identity
    if identity.verdict is Verdict.RIGHT:
        yield _clock()
        yield from (_read(action, read) for action, read in READS)
        yield from _receiving()


def _settings() -> Iterator[Finding]:
    found = [each for each in run_checks(include_deployment_checks=True) if each.level >= ERROR]
    if not found:
        yield Finding("Settings", Verdict.RIGHT, "Django's checks and ours find no error.")
    for each in found:
        yield Finding("Settings", Verdict.WRONG, each.msg, each.hint or "")


def _database() -> Finding:
    try:
        missing = missing_migrations()
    except DatabaseError as error:
        return Finding("Database", Verdict.WRONG, f"It does not answer: {error}", "Look at DATABASE_URL.")
    if missing:
        repair = "Run manage.py migrate."
        return Finding("Database", Verdict.WRONG, f"{missing} migrations are not applied.", repair)
    return Finding("Database", Verdict.RIGHT, "It answers, and every migration is applied.")


def _worker() -> Finding:
    silent = worker_silent_for()
    repair = "Start it: manage.py procrastinate worker. Without it nothing is set up, checked or carried out."
    if silent is None:
        return Finding("Worker", Verdict.WRONG, "No worker has ever started.", repair)
    if silent >= WORKER_SILENT_AFTER:
        sentence = f"The last sign of a worker is {int(silent.total_seconds())} seconds old."
        return Finding("Worker", Verdict.WRONG, sentence, repair)
    return Finding("Worker", Verdict.RIGHT, "A worker is alive.")


def _dns() -> Finding:
    try:
        answers = look_up([ASKED_OF_DNS])
    except Refused as refused:
        return Finding("DNS", Verdict.COULD_NOT_TELL, str(refused))
    silent = [answer for answer in answers if answer.status is Status.FAILED]
    if silent:
        said = "; ".join(f"{answer.resolver}: {answer.error}" for answer in silent)
        repair = "Look at DNS_RESOLVERS, and whether a firewall stops UDP and TCP to port 53."
        return Finding("DNS", Verdict.WRONG, f"{len(silent)} of {len(answers)} resolvers do not answer. {said}", repair)
    return Finding("DNS", Verdict.RIGHT, f"Every resolver answers: {', '.join(answer.resolver for answer in answers)}.")


def _identity() -> Finding:
    try:
        account = aws.ask_account_id()
    except AwsProblem as problem:
        repair = "Look at the credentials that boto3 finds (environment, shared files, role) and at the network."
        return Finding("AWS", Verdict.WRONG, problem.in_full, repair)
    return Finding("AWS", Verdict.RIGHT, f"Account {account}, region {settings.AWS_REGION}.")


def _clock() -> Finding:
    try:
        return clock(timezone.now() - aws.amazons_time())
    except AwsProblem as problem:
        return Finding("Clock", Verdict.COULD_NOT_TELL, str(problem))


def _read(action: str, read: Read) -> Finding:
    try:
        read()
    except AwsMissing:
        return Finding(action, Verdict.RIGHT, "Allowed.")
    except AwsDenied as problem:
        return Finding(action, Verdict.WRONG, problem.in_full, f"Allow {action}: the policy stands in the README.")
    except (AwsBusy, AwsUnreachable) as problem:
        return Finding(action, Verdict.COULD_NOT_TELL, str(problem))
    except AwsProblem as problem:
        return Finding(action, Verdict.COULD_NOT_TELL, problem.in_full)
    return Finding(action, Verdict.RIGHT, "Allowed.")


def _receiving() -> Iterator[Finding]:
    for found in checking.check_receiving():
        yield replace(found, what=f"Receiving, {found.what}")
