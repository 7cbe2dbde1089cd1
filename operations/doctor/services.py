"""Checks for `manage.py doctor` whether this deployment can work, with a sentence for each fault.

Every check uses the code that the product itself uses, and changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import settings
from django.core.checks import ERROR, WARNING, CheckMessage, run_checks
from django.db import DatabaseError, transaction
from django.utils import timezone

from domains.dns.core import LookupStatus, Question
from domains.dns.services import look_up
from inbound_admin.lib import aws, aws_home
from inbound_admin.lib.database import missing_migrations
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsMissing, AwsProblem, AwsUnreachable, Refused
from inbound_admin.lib.jobs import WORKER_SILENT_AFTER, worker_silent_for
from inbound_admin.lib.sealed import Unreadable, is_sealed, reseal, unseal
from notifications.models.webhooks import WebhookTarget
from operations.doctor import gateway as doctor_gateway
from operations.models import LegacyImportRow
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.receiving_setup import services as receiving_setup_services
from receipt_rules.receiving_setup.core import SetupFinding, SetupVerdict

# AWS rejects a signature that is more than five minutes off (Signature Version 4). The warning comes well before.
CLOCK_MAY_DIFFER = timedelta(minutes=1)
Read = Callable[[], None]
# By SES's operation names, which are also the IAM actions.
READS: tuple[tuple[str, Read], ...] = (
    ("ses:GetAccount", doctor_gateway.get_account),
    ("ses:ListEmailIdentities", doctor_gateway.list_email_identities),
    ("ses:GetEmailIdentity", doctor_gateway.get_email_identity),
    ("ses:GetIdentityVerificationAttributes", doctor_gateway.get_identity_verification_attributes),
    ("ses:ListReceiptRuleSets", doctor_gateway.list_receipt_rule_sets),
    ("ses:DescribeActiveReceiptRuleSet", doctor_gateway.describe_active_receipt_rule_set),
    ("ses:ListReceiptFilters", doctor_gateway.list_receipt_filters),
    ("ses:ListTenants", doctor_gateway.list_tenants),
    ("ses:GetTenant", doctor_gateway.get_tenant),
    ("ses:ListTenantResources", doctor_gateway.list_tenant_resources),
    ("ses:ListReputationEntities", doctor_gateway.list_reputation_entities),
    ("ses:ListRecommendations", doctor_gateway.list_recommendations),
    ("ses:GetConfigurationSet", doctor_gateway.get_configuration_set),
    ("cloudwatch:ListMetrics", doctor_gateway.list_metrics),
    ("cloudwatch:GetMetricData", doctor_gateway.get_metric_data),
)
# These read a name that nothing has, so "not found" proves that the read was permitted. But a region without the list
# of such objects (named here) doesn't find them either, which proves nothing.
OF_NOBODY = {
    "ses:GetEmailIdentity": "ses:ListEmailIdentities",
    "ses:GetTenant": "ses:ListTenants",
    "ses:ListTenantResources": "ses:ListTenants",
    "ses:GetConfigurationSet": "",
}
ASKED_OF_DNS = Question("amazonses.com", "NS")


def examine() -> Iterator[SetupFinding]:
    """Yield each finding as soon as it is known. At the SES rate limit, all checks take about twenty seconds."""
    yield from _settings()
    yield _site_url()
    database = _database()
    yield database
    if database.verdict is not SetupVerdict.RIGHT:
        return  # it holds the SES rate limit, so no further call is possible
    yield _secrets()
    yield _worker()
    yield _dns()
    identity = _identity()
    yield identity
    if identity.verdict is SetupVerdict.RIGHT:
        yield _clock()
        yield from _reads()
        yield from _receiving()


def _settings() -> Iterator[SetupFinding]:
    """Report warnings too: `check --deploy` calls each of them a reason not to go into production."""
    found = [each for each in run_checks(include_deployment_checks=True) if _counts(each)]
    if not found:
        yield SetupFinding("Settings", SetupVerdict.RIGHT, "All system checks pass.")
    for each in found:
        yield SetupFinding("Settings", SetupVerdict.WRONG, each.msg, each.hint or "")


def _counts(message: CheckMessage) -> bool:
    """In the sandbox and with silenced checks, only errors are faults: it is no deployment."""
    if message.is_silenced():
        return False
    return message.level >= (ERROR if settings.SANDBOX else WARNING)


def _site_url() -> SetupFinding:
    if settings.SITE_URL:
        return SetupFinding("SITE_URL", SetupVerdict.RIGHT, f"Links in emails use {settings.SITE_URL}.")
    sentence = "Not set: emails have no links, and recipients can't confirm forwarding addresses."
    return SetupFinding("SITE_URL", SetupVerdict.WRONG, sentence, "Set SITE_URL to the URL of this site.")


def _database() -> SetupFinding:
    try:
        missing = missing_migrations()
    except DatabaseError as error:
        return SetupFinding(
            "Database", SetupVerdict.WRONG, f"The database doesn't respond: {error}", "Check DATABASE_URL."
        )
    if missing:
        repair = "Run manage.py migrate."
        return SetupFinding("Database", SetupVerdict.WRONG, f"{missing} migrations are not applied.", repair)
    return SetupFinding("Database", SetupVerdict.RIGHT, "The database responds and all migrations are applied.")


def _secrets() -> SetupFinding:
    """Open stored secrets of each kind: after a restore with another key, no mail is delivered to their endpoints."""
    if kinds := unreadable_secrets():
        sentence = (
            f"No key opens the stored secrets of these: {', '.join(kinds)}. Mail to such endpoints isn't delivered."
        )
        repair = "Set the SEALING_KEY (or SECRET_KEY) with which they were stored, or add it to SEALING_KEY_FALLBACKS."
        return SetupFinding("Stored secrets", SetupVerdict.WRONG, sentence, repair)
    return SetupFinding("Stored secrets", SetupVerdict.RIGHT, "The keys open what is stored.")


def _worker() -> SetupFinding:
    silent = worker_silent_for()
    repair = "Start the worker: manage.py worker. Without it, no domain is set up or checked and no change is applied."
    if silent is None:
        return SetupFinding("Worker", SetupVerdict.WRONG, "No worker has ever started.", repair)
    if silent >= WORKER_SILENT_AFTER:
        sentence = f"The worker was last seen {int(silent.total_seconds())} seconds ago."
        return SetupFinding("Worker", SetupVerdict.WRONG, sentence, repair)
    return SetupFinding("Worker", SetupVerdict.RIGHT, "A worker is running.")


def _dns() -> SetupFinding:
    try:
        answers = look_up([ASKED_OF_DNS])
    except Refused as refused:
        return SetupFinding("DNS", SetupVerdict.COULD_NOT_TELL, str(refused))
    silent = [answer for answer in answers if answer.status is LookupStatus.FAILED]
    if silent:
        errors = "; ".join(f"{answer.resolver}: {answer.error}" for answer in silent)
        repair = "Check DNS_RESOLVERS, and whether a firewall blocks UDP or TCP port 53."
        return SetupFinding(
            "DNS", SetupVerdict.WRONG, f"{len(silent)} of {len(answers)} resolvers don't respond. {errors}", repair
        )
    return SetupFinding(
        "DNS", SetupVerdict.RIGHT, f"All resolvers respond: {', '.join(answer.resolver for answer in answers)}."
    )


def _identity() -> SetupFinding:
    try:
        account = aws.ask_account_id()
    except AwsProblem as problem:
        repair = "Check the network and the credentials that boto3 finds (environment, shared files, role)."
        return SetupFinding("AWS", SetupVerdict.WRONG, problem.in_full, repair)
    if other := aws_home.problem_of(settings.AWS_REGION, lambda: account):
        repair = (
            f"Correct AWS_REGION or the credentials. If the deployment moved: manage.py aws_account --accept {account}"
        )
        return SetupFinding("AWS", SetupVerdict.WRONG, other, repair)
    return SetupFinding("AWS", SetupVerdict.RIGHT, f"Account {account}, region {settings.AWS_REGION}.")


def _clock() -> SetupFinding:
    try:
        return clock_finding(timezone.now() - aws.aws_time())
    except AwsProblem as problem:
        return SetupFinding("Clock", SetupVerdict.COULD_NOT_TELL, str(problem))


def clock_finding(ours: timedelta) -> SetupFinding:
    """Check the clock. `ours`: how far our clock is ahead of AWS's; negative: behind."""
    off = abs(ours)
    if off <= CLOCK_MAY_DIFFER:
        return SetupFinding("Clock", SetupVerdict.RIGHT, "This machine's clock matches AWS.")
    side = "ahead of" if ours > timedelta() else "behind"
    return SetupFinding(
        "Clock",
        SetupVerdict.WRONG,
        f"This machine's clock is {int(off.total_seconds())} seconds {side} AWS.",
        "Synchronise the clock with NTP. AWS rejects every call at 5 minutes' difference.",
    )


def _reads() -> Iterator[SetupFinding]:
    unknown: set[str] = set()
    for action, read in READS:
        try:
            yield _read(action, read)
        except AwsMissing as problem:
            if action in OF_NOBODY and OF_NOBODY[action] not in unknown:
                yield SetupFinding(action, SetupVerdict.RIGHT, "Allowed.")
                continue
            unknown.add(action)
            sentence = f"SES doesn't offer this call in {settings.AWS_REGION}. {problem.in_full}"
            yield SetupFinding(action, SetupVerdict.COULD_NOT_TELL, sentence)


def _read(action: str, read: Read) -> SetupFinding:
    """Raises AwsMissing: its meaning depends on the other reads."""
    try:
        read()
    except AwsMissing:
        raise
    except AwsDenied as problem:
        return SetupFinding(action, SetupVerdict.WRONG, problem.in_full, f"Allow {action}. The README has the policy.")
    except (AwsBusy, AwsUnreachable) as problem:
        return SetupFinding(action, SetupVerdict.COULD_NOT_TELL, str(problem))
    except AwsProblem as problem:
        return SetupFinding(action, SetupVerdict.COULD_NOT_TELL, problem.in_full)
    return SetupFinding(action, SetupVerdict.RIGHT, "Allowed.")


def _receiving() -> Iterator[SetupFinding]:
    for found in receiving_setup_services.check_setup():
        yield replace(found, what=f"Receiving: {found.what}")


# Encrypts every stored secret again with the first key, and finds secrets that no key opens. One list of the columns,
# which a test compares with the models.


SEALED: Mapping[type[Any], tuple[str, ...]] = {
    Endpoint: ("sealed_config",),
    WebhookTarget: ("sealed_url", "secret", "old_secret"),
    LegacyImportRow: ("values",),
    Authenticator: ("data",),
}
TRIED = 50  # rows of each kind, from both ends: keys are replaced in the order of time


def reseal_everything() -> dict[str, int]:
    """Return the number of re-encrypted rows by model. Raises `sealed.Unreadable`; then nothing was changed."""
    with transaction.atomic():
        return {str(model._meta.verbose_name_plural): _reseal(model, fields) for model, fields in SEALED.items()}


def unreadable_secrets() -> list[str]:
    """Return the kinds of rows whose secrets no key opens. Of each kind, the first and last rows are tried."""
    return [str(model._meta.verbose_name_plural) for model, fields in SEALED.items() if not _opens(model, fields)]


def _opens(model: type[Any], fields: tuple[str, ...]) -> bool:
    rows = apps.get_model(model._meta.label).objects
    tried = [*rows.order_by("pk")[:TRIED], *rows.order_by("-pk")[:TRIED]]
    try:
        for row in tried:
            for name in fields:
                _changed(getattr(row, name), unseal)
    except Unreadable:
        return False
    return True


def _reseal(model: type[Any], fields: tuple[str, ...]) -> int:
    number = 0
    for row in apps.get_model(model._meta.label).objects.select_for_update().iterator():
        before = [getattr(row, name) for name in fields]
        after = [_changed(value, reseal) for value in before]
        if before != after:
            for name, value in zip(fields, after, strict=True):
                setattr(row, name, value)
            row.save(update_fields=fields)
            number += 1
    return number


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Apply the change to encrypted texts at any depth."""
    if isinstance(value, str):
        return change(value) if is_sealed(value) else value
    if isinstance(value, dict):
        return {key: _changed(each, change) for key, each in value.items()}
    return [_changed(each, change) for each in value] if isinstance(value, list) else value
