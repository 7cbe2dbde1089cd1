"""The sandbox's page *Mail*: received messages and their results, limited to the user's own domains."""

import pytest
from django.test import Client

from sandbox.aws.state import WORLD
from sandbox.mail.log import MailEntry
from sandbox.mail.sink import take
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
URL = "/sandbox/mail/"


@pytest.fixture
def alice(sandbox: Sandbox) -> Client:
    customer = make_customer("Alice Ltd")
    make_domain("alice.com", customer=customer)
    make_domain("bob.com", customer=make_customer("Bob Ltd"))
    client = Client()
    client.force_login(make_member(customer))
    return client


def entry(*recipients: str) -> MailEntry:
    steps = tuple(f"Rule x matches {each}." for each in recipients)
    return MailEntry(WORLD.clock.now(), "abc", "ann@else.example", recipients, 10, is_accepted=True, steps=steps)


def test_it_shows_the_smtp_address_and_only_the_users_own_mail(alice: Client, sandbox: Sandbox) -> None:
    WORLD.mail.entries.extend([entry("a@alice.com", "b@bob.com"), entry("c@bob.com")])
    take("demo", {}, b'{"data": {"recipients": ["a@alice.com"]}}')
    take("demo", {}, b'{"email": {"recipient": "d@bob.com"}}')
    take("demo", {}, b"no json, so nobody knows whose")
    page = alice.get(URL).text
    assert sandbox.smtp_address in page
    assert "a@alice.com" in page
    assert "bob.com" not in page
    assert "nobody knows" not in page
    staff = Client()
    staff.force_login(make_staff())
    page = staff.get(URL).text
    assert all(each in page for each in ("a@alice.com", "c@bob.com", "d@bob.com", "nobody knows"))


def test_the_function_runs_and_dead_letters_are_requeued(alice: Client, sandbox: Sandbox) -> None:
    record = {"eventSource": "aws:ses", "ses": {"mail": {}, "receipt": {"recipients": ["a@alice.com"]}}}
    WORLD.mail.add_job("eu-west-1", {"Records": [record]}, WORLD.clock.now())
    assert "ran once" in alice.post(URL, {"do": "run"}, follow=True).text
    (job,) = WORLD.mail.jobs
    assert (job.state, job.tries) == ("waiting", 1)
    job.state = "dead"
    assert "Dead letter" in alice.get(URL).text
    assert "moved back to the function queue" in alice.post(URL, {"do": "redrive"}, follow=True).text
    assert (job.state, job.tries) == ("waiting", 0)


def test_the_sink_fails_as_often_as_requested(alice: Client, sandbox: Sandbox) -> None:
    alice.post(URL, {"do": "fail"})
    assert [take("demo", {}, b"{}") for _ in range(3)] == [500, 500, 200]
    assert alice.post(URL, {"do": "nonsense"}).status_code in (400, 422)
