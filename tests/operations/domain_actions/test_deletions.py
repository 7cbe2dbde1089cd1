"""A bulk deletion warns of mail that still arrives, and keeps those domains unless it is confirmed."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.deletion import services as deletion_services
from domains.models.domains import Domain
from notifications.models.alerts import Alert
from operations.batches import services as batches_services
from operations.domain_removal import services as removal_services
from operations.models import Batch, DomainRemoval
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db
URL = reverse("operations:start_bulk")


@pytest.fixture
def alice(client: Client) -> Client:
    alices = make_customer("Alice Ltd")
    here = make_verified("here.com", customer=alices)
    make_address("a@here.com", here)
    Domain.objects.filter(pk=here.pk).update(mx_facts={"here.com": "here"}, mail_rules={"here.com": "carried"})
    make_domain("gone.com", customer=alices)
    client.force_login(make_member(alices))
    return client


def start(client: Client, **more: str) -> Batch:
    given = {"do": "delete", "names": "here.com\ngone.com", "go": "yes", "typed": "2"}
    assert client.post(URL, given | more).status_code == 302
    batches_services.work()
    return Batch.objects.get()


def test_a_domain_whose_mx_points_here_is_kept_unless_its_loss_of_mail_is_confirmed(alice: Client) -> None:
    page = alice.get(URL, {"do": "delete", "names": "here.com gone.com"}).text
    assert "The MX record of here.com points here: SES will reject mail that still arrives." in page
    assert 'name="despite_mx"' in page
    batch = start(alice)
    assert dict(batch.items.values_list("name", "state")) == {"here.com": "refused", "gone.com": "done"}
    assert "MX record of here.com still leads here" in batch.items.get(name="here.com").problem


def test_a_confirmed_bulk_deletion_deletes_domains_whose_mx_points_here(alice: Client) -> None:
    batch = start(alice, despite_mx="on")
    assert set(batch.items.values_list("state", flat=True)) == {"done"}
    assert "Domains whose MX record points here too" in alice.get(reverse("operations:bulk", args=[batch.pk])).text


def test_a_bulk_deletion_deletes_subdomains_before_the_domain_above_them(alice: Client, sandbox: Sandbox) -> None:
    customer = Domain.objects.get(name="gone.com").customer
    for name in ("eu.gone.com", "de.eu.gone.com"):
        make_domain(name, customer=customer)
    names = "gone.com de.eu.gone.com eu.gone.com"
    assert alice.get(URL, {"do": "delete", "names": names}).text.count("and the domain are deleted.") == 3
    start(alice, names=names, typed="3")
    items = Batch.objects.get().items.order_by("number")
    assert list(items.values_list("name", flat=True)) == ["de.eu.gone.com", "eu.gone.com", "gone.com"]
    assert set(items.values_list("state", flat=True)) == {"done"}
    gone: list[str] = []
    while left := list(Domain.objects.filter(stage="deleting").values_list("name", "pk")):
        removal_services.work()
        for _, pk in left:
            deletion_services.execute_deletion(domain_id=pk)
        gone += sorted({name for name, _ in left} - set(Domain.objects.values_list("name", flat=True)))
    assert gone == ["de.eu.gone.com", "eu.gone.com", "gone.com"]


def test_a_domain_waits_for_its_subdomain_without_an_alert(alice: Client, sandbox: Sandbox) -> None:
    customer = Domain.objects.get(name="gone.com").customer
    Domain.objects.filter(pk=make_domain("eu.gone.com", customer=customer).pk).update(region="eu-central-1")
    Domain.objects.filter(name="eu.gone.com").update(stage="deleting")
    start(alice, names="gone.com", typed="1")
    removal_services.work()
    removal = DomainRemoval.objects.get(domain__name="gone.com")
    assert removal.problem == "Waiting until the subdomain eu.gone.com is deleted."
    assert not Alert.objects.filter(object_id=removal.domain_id).exists()


def test_a_domain_whose_subdomain_is_kept_is_kept(alice: Client) -> None:
    customer = Domain.objects.get(name="gone.com").customer
    make_domain("eu.gone.com", customer=customer, held_at=timezone.now())
    page = alice.get(URL, {"do": "delete", "names": "gone.com eu.gone.com"}).text
    assert "Delete its subdomains first: eu.gone.com." in page


def test_a_bulk_deletion_without_such_a_domain_asks_nothing_about_mx(alice: Client) -> None:
    assert 'name="despite_mx"' not in alice.get(URL, {"do": "delete", "names": "gone.com"}).text
