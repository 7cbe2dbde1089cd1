"""The worker's tasks for receipt rules."""

import structlog
from django.utils import timezone

from inbound_admin.lib import jobs
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.alerts import services as alerts_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.forwarding import services as forwarding_services
from receipt_rules.jobs import CONFIRMATION_EMAILS, DRIFT_CHECK, PROBE, WORK, queue_drift_check
from receipt_rules.live import services as live_services
from receipt_rules.pipeline import services as pipeline_services
from receipt_rules.plan_drafts import services as plan_drafts_services
from receipt_rules.plan_drafts.services import DRAFT
from receipt_rules.probes import services as probes_services
from receipt_rules.received_mail import services as received_mail_services
from receipt_rules.receiving import services as receiving_services
from receipt_rules.runs import services as runs_services
from receipt_rules.transfers import services as transfers_services

LONGEST_WAIT_SECONDS = 60  # changes of others wait in the same queue
log = structlog.get_logger(__name__)


@jobs.task(WORK, retry=jobs.RetryUntilAwsAnswers(LONGEST_WAIT_SECONDS))
def work() -> None:
    auto_apply_services.work(collect=True)


@jobs.task(DRIFT_CHECK, retry=jobs.RetryUntilAwsAnswers(LONGEST_WAIT_SECONDS))
def check_drift() -> None:
    drift_services.check_drift()
    runs_services.delete_probe_sets()


@jobs.task(DRAFT)
def plan_draft(draft_id: str) -> None:
    plan_drafts_services.make_draft(draft_id=draft_id)


@jobs.task(CONFIRMATION_EMAILS)
def send_confirmation_emails() -> None:
    forwarding_services.send_due(now=timezone.now())


@jobs.task(PROBE)
def send_probe(probe_id: str) -> None:
    probes_services.send_probe(probe_id=probe_id)


@jobs.periodic("receipt_rules.sweep", cron="* * * * *")
def alert_unread_transfers(timestamp: int) -> None:
    """Every minute: alert if mail may still go to a former holder's destination."""
    transfers_services.alert_unread_transfers(now=timezone.now())


@jobs.periodic("receipt_rules.watch_active_set", cron="* * * * *")
def watch_active_set(timestamp: int) -> None:
    """Every minute: check whether SES still applies our rules, unchanged, and lets mail reach them.

    A failed read proves nothing.
    """
    if not live_services.receives_here():
        return
    try:
        alerts_services.update_active_set_alert(live_services.check_active_set(now=timezone.now()))
    except AwsProblem as problem:
        log.warning("the active rule set could not be read", problem=str(problem))
        return
    try:
        receiving_services.record_filters(live_services.read_filters())
    except (AwsProblem, ValueError) as problem:
        log.warning("the IP filters could not be read", problem=str(problem))
    drift_services.queue_check_if_changed()


@jobs.periodic("receipt_rules.sweep_drift", cron="37 * * * *")
def queue_hourly_drift_check(timestamp: int) -> None:
    """Every hour: compare the live rules with the known state and the desired state.

    What others change is found within a minute (`watch_active_set`); this finds what only a plan shows.
    """
    queue_drift_check()


@jobs.periodic("receipt_rules.watch_key", cron="* * * * *")
def watch_function_key(timestamp: int) -> None:
    """Every minute: check whether the function's API key is refused or expires soon. Reads our own rows."""
    pipeline_services.check_function_key(now=timezone.now())


@jobs.periodic("receipt_rules.watch", cron="*/10 * * * *")
def watch_deliveries(timestamp: int) -> None:
    """Every ten minutes: check for lost mail and a failing function, whether the function forwards mail, and which
    messages wait for a decision of staff or for the end of a stop. A failed check is repeated next time.
    """
    try:
        pipeline_services.check_for_lost_mail(now=timezone.now())
    except AwsProblem as problem:
        log.warning("receiving could not be watched", problem=str(problem))
    try:
        forwarding_services.read_forwarding()
    except AwsProblem as problem:
        log.warning("the function's settings could not be read", problem=str(problem))
    received_mail_services.update_undecided_alert()
    try:
        received_mail_services.deliver_resumed(now=timezone.now())
    except AwsProblem as problem:
        log.warning("the function could not be asked to deliver mail from before a resume", problem=str(problem))


@jobs.periodic("receipt_rules.probe_domains", cron="* * * * *")
def probe_domains(timestamp: int) -> None:
    """Every minute: send scheduled test messages that are due, and check whether the last ones arrived."""
    probes_services.run_due(now=timezone.now())


@jobs.periodic("receipt_rules.forget_received", cron="53 3 * * *")
def delete_expired_mail(timestamp: int) -> None:
    """Every night: delete received mail older than RECEIVED_MAIL_DAYS, and old test messages."""
    probes_services.delete_old_probes(now=timezone.now())
    received_mail_services.delete_expired(now=timezone.now())
