"""The sweep queues jobs for tenants that have none."""

from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job

from inbound_admin.lib.errors import AwsUnreachable
from inbound_admin.lib.jobs import RetryOn, RetryUntilAwsAnswers
from operations.reconciler import services as reconciler_services
from tenants.models.tenants import TenantResource
from tests.tenants.factories import jobs_of, make_tenant

pytestmark = pytest.mark.django_db
ARN = "arn:aws:ses:eu-west-1:123456789012:identity/alice.com"


@pytest.mark.parametrize(
    ("fields", "jobs"),
    [
        ({"stage": "creating"}, ["tenants.create"]),
        ({"stage": "deleting"}, ["tenants.remove"]),
        ({"is_paused": True, "status_asked_at": timezone.now()}, ["tenants.status", "tenants.associate"]),
        ({"policy": "strict"}, ["tenants.policy", "tenants.associate"]),
        ({"suppression": "tenant"}, ["tenants.policy", "tenants.associate"]),
        ({}, []),
        ({"ses_policy": "none", "aggregate": "DISABLED"}, []),  # changed in SES: a person must decide
    ],
)
def test_an_unfinished_tenant_without_a_job_gets_one(fields: dict[str, Any], jobs: list[str]) -> None:
    tenant = make_tenant(**fields)
    reconciler_services.queue_unfinished()
    reconciler_services.queue_unfinished()
    assert jobs_of(tenant) == jobs


@pytest.mark.parametrize(
    ("fields", "jobs"),
    [
        ({}, ["tenants.associate"]),
        ({"wanted": False}, ["tenants.associate"]),
        ({"associated_at": timezone.now()}, []),
        ({"held_by": "somebody"}, []),  # a person must decide
    ],
)
def test_an_unfinished_association_gets_a_job(fields: dict[str, Any], jobs: list[str]) -> None:
    tenant = make_tenant()
    TenantResource.objects.create(tenant=tenant, kind="identity", arn=ARN, name="alice.com", **fields)
    reconciler_services.queue_unfinished()
    assert jobs_of(tenant) == jobs


def test_a_tenant_of_another_region_gets_no_job() -> None:
    make_tenant(stage="creating", region="ap-south-2")
    reconciler_services.queue_unfinished()
    assert not ProcrastinateJob.objects.exists()


def test_a_job_is_retried_after_errors_of_aws_or_mail_but_not_of_ours() -> None:
    job = Job(id=1, lock=None, queueing_lock=None, task_name="x", queue="default", attempts=3)
    assert RetryUntilAwsAnswers().get_retry_decision(exception=AwsUnreachable("away"), job=job) is not None
    assert RetryUntilAwsAnswers().get_retry_decision(exception=ValueError("ours"), job=job) is None
    mail = RetryOn(OSError)
    assert mail.get_retry_decision(exception=SMTPServerDisconnected("gone"), job=job) is not None
    assert mail.get_retry_decision(exception=ValueError("ours"), job=job) is None
