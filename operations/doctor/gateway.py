"""Read-only calls that show what our credentials may do. Raises AwsProblem and its subclasses."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from inbound_admin.lib import aws

NOBODY = "inbound-admin-doctor-asks"  # a name that nothing has: "not found" proves that the read was permitted


def get_account() -> None:
    with aws.calling("sesv2", "read the account") as ses:
        ses.get_account()


def list_email_identities() -> None:
    with aws.calling("sesv2", "list identities") as ses:
        ses.list_email_identities(PageSize=1)


def get_email_identity() -> None:
    with aws.calling("sesv2", "read an identity") as ses:
        ses.get_email_identity(EmailIdentity=f"{NOBODY}.example")


def get_identity_verification_attributes() -> None:
    with aws.calling("ses", "read how an identity is verified") as ses:
        ses.get_identity_verification_attributes(Identities=[f"{NOBODY}.example"])


def list_receipt_rule_sets() -> None:
    with aws.calling("ses", "list rule sets") as ses:
        ses.list_receipt_rule_sets()


def describe_active_receipt_rule_set() -> None:
    with aws.calling("ses", "read the active rule set") as ses:
        ses.describe_active_receipt_rule_set()


def list_receipt_filters() -> None:
    with aws.calling("ses", "list IP filters") as ses:
        ses.list_receipt_filters()


def list_tenants() -> None:
    with aws.calling("sesv2", "list tenants") as ses:
        ses.list_tenants(PageSize=1)


def get_tenant() -> None:
    with aws.calling("sesv2", "read a tenant") as ses:
        ses.get_tenant(TenantName=NOBODY)


def list_tenant_resources() -> None:
    with aws.calling("sesv2", "list a tenant's resources") as ses:
        ses.list_tenant_resources(TenantName=NOBODY)


def list_reputation_entities() -> None:
    with aws.calling("sesv2", "list reputations") as ses:
        ses.list_reputation_entities(PageSize=1)


def list_recommendations() -> None:
    with aws.calling("sesv2", "list findings") as ses:
        ses.list_recommendations(PageSize=1)


def get_configuration_set() -> None:
    with aws.calling("sesv2", "read a configuration set") as ses:
        ses.get_configuration_set(ConfigurationSetName=NOBODY)


def list_metrics() -> None:
    with aws.calling("cloudwatch", "list metrics") as cloudwatch:
        cloudwatch.list_metrics(Namespace="AWS/SES", MetricName="Send")


def get_metric_data() -> None:
    now = timezone.now()
    metric = {"Namespace": "AWS/SES", "MetricName": "Send", "Dimensions": []}
    query: Any = {"Id": "asked", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
    with aws.calling("cloudwatch", "read metrics") as cloudwatch:
        cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=now - timedelta(hours=1), EndTime=now)
