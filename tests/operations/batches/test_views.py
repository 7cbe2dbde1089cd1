"""The pages of bulk actions: named or ticked domains are previewed, executed and followed."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain, Stage
from operations.batches import services as batches_services
from operations.models import Batch
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
START = reverse("operations:start_bulk")


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def sam() -> Client:
    return sign_in(make_staff(Role.SUPPORT))


def test_the_preview_shows_the_result_for_each_ticked_domain(sam: Client) -> None:
    held = make_domain("held.com", stage=Stage.READY, held_at="2026-01-01T00:00Z")
    free = make_domain("free.com", stage=Stage.READY)
    listed = sam.get(reverse("domains:list")).text
    assert f'value="{free.pk}" form="chosen"' in listed
    page = sam.get(START, {"do": "hold", "domain": [held.pk, free.pk]})
    assert page.status_code == 200
    for words in (
        "Hold 1 domain?",
        "Our support team put this domain on hold.",
        "1 of 2 can be processed",
        'name="because"',
    ):
        assert words in page.text
    assert not Batch.objects.exists()


def test_domains_can_be_added_as_send_only_in_bulk(sandbox: Sandbox) -> None:
    alice = make_member(make_customer("Alice"))
    client, given = sign_in(alice), {"do": "import", "names": "a.com\nb.com", "go": "yes"}
    assert "These domains don’t receive mail here." in client.post(START, {"do": "import", "names": "a.com"}).text
    going = client.post(START, given | {"send_only": "on"})
    batches_services.work()
    assert list(Domain.objects.values_list("name", "receives").order_by("name")) == [("a.com", False), ("b.com", False)]
    assert "Send only" in client.get(going["Location"]).text


def test_pasted_domains_are_previewed_executed_followed_and_retried(sandbox: Sandbox, sam: Client) -> None:
    for name in ("a.com", "b.com"):
        make_domain(name, stage=Stage.READY)
    shown = sam.post(START, {"do": "hold", "names": "a.com, b.com, nobody.com"})
    assert (shown.status_code, Batch.objects.count()) == (200, 0)
    assert "This domain is not in your list." in shown.text
    without = sam.post(START, {"do": "hold", "names": "a.com\nb.com", "go": "yes"})
    assert (without.status_code, Batch.objects.count()) == (422, 0)
    going = sam.post(START, {"do": "hold", "names": "a.com\nb.com", "because": "Abuse", "go": "yes"})
    asked = Batch.objects.get()
    assert going["Location"] == reverse("operations:bulk", args=[asked.pk])
    waits = sam.get(going["Location"]).text
    assert "2 pending. About 1 minute left." in waits
    assert "hx-trigger" in waits
    Domain.objects.filter(name="b.com").update(held_at="2026-01-01T00:00Z")
    batches_services.work()
    partly = sam.get(going["Location"], headers={"HX-Request": "true"}).text
    assert "1 done, 1 failed." in partly
    assert "<html" not in partly
    assert 'hx-trigger="every' not in partly
    Domain.objects.filter(name="b.com").update(held_at=None)
    assert sam.post(reverse("operations:retry_bulk", args=[asked.pk])).status_code == 302
    batches_services.work()
    assert "2 done." in sam.get(going["Location"]).text
    assert set(Change.objects.values_list("bulk_id", flat=True)) == {asked.pk}


def test_a_csv_file_of_domains_and_customers_is_imported(sandbox: Sandbox, sam: Client) -> None:
    make_customer("Alice Ltd")
    file = SimpleUploadedFile("domains.csv", b"domain,customer\na.com,Alice Ltd\nb.com,Nobody\n")
    shown = sam.post(START, {"do": "import", "file": file})
    assert "Add 1 domain?" in shown.text
    names = shown.context["names"]
    assert sam.post(START, {"do": "import", "names": names, "go": "yes"}).status_code == 302
    batches_services.work()
    assert list(Domain.objects.values_list("name", "customer__name")) == [("a.com", "Alice Ltd")]
    binary = SimpleUploadedFile("domains.csv", b"\xff\xfe\x00\xd8")
    assert sam.post(START, {"do": "import", "names": "c.com", "file": binary}).status_code == 422


def test_a_bulk_deletion_requires_typing_the_number_of_domains(sandbox: Sandbox) -> None:
    alice = make_member()
    for name in ("a.com", "b.com"):
        make_domain(name, customer=alice.memberships.get().customer, stage=Stage.READY)
    client, given = sign_in(alice), {"do": "delete", "names": "a.com\nb.com", "go": "yes"}
    assert client.post(START, given | {"typed": "3"}).status_code == 422
    assert not Batch.objects.exists()
    assert client.post(START, given | {"typed": "2"}).status_code == 302
    assert client.get(reverse("operations:bulk", args=[Batch.objects.get().pk])).status_code == 200


def test_a_customer_is_offered_three_actions_and_cannot_post_others() -> None:
    alice = make_member()
    make_domain("a.com", customer=alice.memberships.get().customer, stage=Stage.READY)
    client = sign_in(alice)
    page = client.get(START).text
    assert [f'value="{action}"' in page for action in ("check", "import", "delete", "hold", "transfer", "release")] == [
        *[True] * 3,
        *[False] * 3,
    ]
    assert client.post(START, {"do": "hold", "names": "a.com", "because": "x", "go": "yes"}).status_code == 422
    assert client.get(START, {"do": "pause"}).status_code == 403
    assert not Batch.objects.exists()


def test_the_pause_action_redirects_to_the_domains_tenants() -> None:
    customer = make_customer()
    tenant = make_tenant(customer)
    domains = [make_domain(customer=customer) for _ in range(2)]
    tess = sign_in(make_staff(Role.TRUST_AND_SAFETY))
    answer = tess.get(START, {"do": "pause", "domain": [domain.pk for domain in domains]})
    assert answer["Location"] == f"{reverse('operations:pause_many')}?do=pause&tenant={tenant.pk}"


def test_more_than_a_thousand_domains_are_refused_and_the_input_is_kept(sam: Client) -> None:
    page = sam.post(START, {"do": "check", "names": " ".join(f"d{number}.com" for number in range(1001))})
    assert page.status_code == 422
    assert "Up to 1,000" in page.text
    assert "The list has 1,001 domains." in page.text
    assert "d1000.com" in page.text


def test_a_selection_on_all_pages_of_more_than_a_thousand_domains_is_not_said_to_be_1001(sam: Client) -> None:
    customer = make_customer()
    Domain.objects.bulk_create(Domain(name=f"d{number}.com", customer=customer) for number in range(1002))
    page = sam.get(START, {"do": "check", "all": "1"})
    assert page.status_code == 422
    assert "The list has more than 1,000 domains." in page.text


def test_only_a_running_batch_can_be_stopped(sam: Client) -> None:
    make_domain("a.com", stage=Stage.READY)
    sam.post(START, {"do": "hold", "names": "a.com", "because": "x", "go": "yes"})
    bulk = Batch.objects.get()
    page, stop = reverse("operations:bulk", args=[bulk.pk]), reverse("operations:stop_bulk", args=[bulk.pk])
    assert stop in sam.get(page).text
    stopped = sam.post(stop, follow=True).text
    assert "Stopped. 1 domain stays unchanged." in stopped
    assert stop not in stopped
    assert "Retry 1 stopped" in stopped
    assert sign_in(make_member()).post(stop).status_code == 404


def test_a_running_batch_is_paused_and_resumed_by_its_buttons(sam: Client) -> None:
    make_domain("a.com", stage=Stage.READY)
    sam.post(START, {"do": "hold", "names": "a.com", "because": "x", "go": "yes"})
    bulk = Batch.objects.get()
    page, pause, resume = (
        reverse(f"operations:{name}", args=[bulk.pk]) for name in ("bulk", "pause_bulk", "resume_bulk")
    )
    assert resume not in sam.get(page).text
    paused = sam.post(pause, follow=True).text
    assert "Paused. Items that already started will finish." in paused
    assert (resume in paused, pause in paused, 'hx-trigger="every' in paused) == (True, False, False)
    batches_services.work()
    assert not Domain.objects.get().is_held
    resumed = sam.post(resume, follow=True).text
    assert (pause in resumed, "About 1 minute left." in resumed) == (True, True)
    batches_services.work()
    assert "there is nothing to pause" in sam.post(pause, follow=True).text
    assert sign_in(make_member()).post(pause).status_code == 404


def test_a_file_with_a_nul_is_previewed_and_imported_without_it(sandbox: Sandbox) -> None:
    client = sign_in(make_member(make_customer("Alice")))
    for given in ({}, {"go": "yes"}):
        file = SimpleUploadedFile("some.csv", b"a\x00b.com\ncd.com\n")
        answer = client.post(START, {"do": "import", "file": file, **given})
        assert answer.status_code == (302 if given else 200)
    assert list(Batch.objects.get().items.values_list("name", flat=True)) == ["ab.com", "cd.com"]


def test_all_domains_that_the_filters_find_are_selected(sam: Client) -> None:
    for number in range(51):
        make_domain(f"many-{number:02}.com", stage=Stage.READY)
    make_domain("other.com", stage=Stage.READY)
    assert "All 51 domains on all pages" in sam.get(reverse("domains:list"), {"q": "many"}).text
    shown = sam.get(START, {"all": "1", "q": "many", "do": "hold"})
    assert shown.context["names"].count("many-") == 51
    assert "other.com" not in shown.text
