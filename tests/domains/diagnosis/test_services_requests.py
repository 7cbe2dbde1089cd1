"""Diagnoses that pages request, made by the real worker."""

import time

import pytest
from django.utils import timezone

from domains.diagnosis import services as diagnosis_services
from sandbox.process import Sandbox
from tests.browser.worker import running_worker
from tests.domains.factories import set_up_domain
from tests.factories import make_customer

SECONDS = 60


@pytest.mark.django_db(transaction=True)
def test_the_worker_makes_the_diagnoses_of_several_domains_of_one_customer(sandbox: Sandbox) -> None:
    customer = make_customer()
    domains = [set_up_domain(sandbox, customer=customer) for _ in range(3)]
    progresses = [diagnosis_services.progress(domain=each, since=None, now=timezone.now()) for each in domains]
    assert [each.waiting_before for each in progresses] == [0, 1, 2]
    with running_worker(sandbox):
        until = time.monotonic() + SECONDS
        while diagnosis_services.waiting(customer.pk).exists():
            assert time.monotonic() < until
            time.sleep(0.2)
    for domain, before in zip(domains, progresses, strict=True):
        domain.refresh_from_db()  # the worker has checked it as well
        made = diagnosis_services.progress(domain=domain, since=before.since, now=timezone.now())
        assert made.problem == ""
        assert made.found
        assert made.found.diagnosis().findings


@pytest.mark.django_db
def test_a_diagnosis_stays_with_the_customer_that_the_domain_was_transferred_from(sandbox: Sandbox) -> None:
    domain, now = set_up_domain(sandbox), timezone.now()
    began = diagnosis_services.progress(domain=domain, since=None, now=now).since
    diagnosis_services.run_next(customer_id=domain.customer_id)
    assert diagnosis_services.progress(domain=domain, since=began, now=now).found
    domain.customer = make_customer("Bob Ltd")
    domain.save()
    assert diagnosis_services.cached_result(domain) is None
    assert diagnosis_services.progress(domain=domain, since=began, now=now).found is None
