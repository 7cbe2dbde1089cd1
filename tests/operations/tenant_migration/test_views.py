"""The migration pages: a dry run first, then start, follow, retry and roll back."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, Migration, MigrationItem
from operations.tenant_migration import services as tenant_migration_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.factories import make_staff
from tests.operations.factories import make_item, make_sender, migrate, ses_call_counts, start_migration, tenants_in_ses
from tests.tenants.factories import pause_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(client: Client) -> Client:
    client.force_login(make_staff(Role.OPERATOR))
    return client


def test_a_single_customer_is_shown_as_a_dry_run_and_migrated(olga: Client, sandbox: Sandbox) -> None:
    customer = make_sender("Northwind", domains=1)
    sandbox.control.clear_calls()
    url = reverse("operations:move", args=[customer.pk])
    page = olga.get(url).content.decode()
    assert "10 API calls" in page
    assert "CreateTenantResourceAssociation" in page
    assert ses_call_counts(sandbox) == {}
    answer = olga.post(url, {"policy": "strict", "because": "they asked"})
    item = Migration.objects.get().items.get()
    assert answer["Location"] == reverse("operations:migration_item", args=[item.migration_id, item.pk])
    migration_steps_services.work()
    page = olga.get(answer["Location"]).content.decode()
    assert "Migrated" in page
    assert "8 of 8" not in page  # the switch and the verification are steps as well
    assert Tenant.objects.get(customer=customer).policy == "strict"
    assert "already" in olga.get(url).content.decode()


def test_a_planned_migration_sums_its_calls_and_names_unready_domains(olga: Client, sandbox: Sandbox) -> None:
    make_sender("First", domains=3)
    waiting, verified, starting = Domain.objects.filter(customer__name="First").order_by("name")
    Domain.objects.filter(pk=waiting.pk).update(verified_at=None)
    Domain.objects.filter(pk=verified.pk).update(verified_at=timezone.now())
    Domain.objects.filter(pk=starting.pk).update(stage=Stage.STARTING)
    make_sender("Second", domains=0)
    olga.post(reverse("operations:plan_migration"), {"chosen": "all", "policy": "standard", "because": "as announced"})
    migration = Migration.objects.get()
    page = olga.get(reverse("operations:migration", args=[migration.pk])).content.decode()
    assert "2 customers with 2 domains: up to 19 SES API calls" in " ".join(page.split())
    assert f"Not verified yet, so SES rejects mail from them: 1 domain ({waiting.name})." in page
    assert f"Not set up yet; added to the tenant when they are: 1 domain ({starting.name})." in page
    assert "1 customer has no domain in this region." in page


def test_a_migration_of_all_customers_is_planned_started_and_followed(olga: Client, sandbox: Sandbox) -> None:
    for name in ("First", "Second"):
        make_sender(name, domains=1)
    answer = olga.post(
        reverse("operations:plan_migration"),
        {"chosen": "all", "policy": "standard", "at_most_per_hour": "100", "because": "as announced"},
    )
    migration = Migration.objects.get()
    url = reverse("operations:migration", args=[migration.pk])
    assert answer["Location"] == url
    assert "Nothing has changed yet" in olga.get(url).content.decode()
    assert tenants_in_ses() == {}
    steer = reverse("operations:steer_migration", args=[migration.pk])
    assert olga.post(steer, {"do": "start"})["Location"] == url
    part = olga.get(url, headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="live"')
    assert 'hx-trigger="every' in part
    migration_steps_services.work()
    page = olga.get(url).content.decode()
    assert "2 of 2" in page
    assert "hx-trigger" not in page.split('id="live"')[1].split("</section>")[0]


def test_a_migration_is_paused_resumed_and_cancelled_by_buttons(olga: Client, sandbox: Sandbox) -> None:
    make_sender(domains=0)
    make_sender(domains=0)
    migration = start_migration(choice=tenant_migration_services.all_of_them())
    steer = reverse("operations:steer_migration", args=[migration.pk])
    for do, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        olga.post(steer, {"do": do})
        migration.refresh_from_db()
        assert migration.state == state
    page = olga.post(steer, {"do": "pause"}, follow=True).content.decode()
    assert "Not possible: the migration is" in page


def test_a_migration_without_migrated_customers_is_not_called_complete(olga: Client, sandbox: Sandbox) -> None:
    make_sender("First", domains=1)
    olga.post(reverse("operations:plan_migration"), {"chosen": "all", "policy": "standard", "because": "as announced"})
    migration = Migration.objects.get()
    tenant_migration_services.cancel(migration=migration, actor=make_staff(Role.OPERATOR))
    page = olga.get(reverse("operations:migration", args=[migration.pk])).text
    assert "No customers migrated. All send as before." in page
    assert "All customers migrated" not in page


def test_a_file_selects_customers_and_unknown_ones_are_reported(olga: Client, sandbox: Sandbox) -> None:
    customer = make_sender("Northwind", domains=0)
    make_sender("Other", domains=0)
    file = SimpleUploadedFile("some.csv", f"{customer.pk}\nnobody\n".encode())
    given = {"chosen": "csv", "file": file, "policy": "standard", "because": "the first ones"}
    page = olga.post(reverse("operations:plan_migration"), given, follow=True).content.decode()
    assert "Line 2: No customer has the name or ID “nobody”." in page
    assert [item.customer for item in Migration.objects.get().items.all()] == [customer]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"chosen": "filter", "text": " "}, "Enter part of a customer"),
        ({"chosen": "csv"}, "Choose a file."),
        ({"chosen": "all"}, "No customers to migrate"),
        ({"chosen": "all", "at_most_per_hour": "0"}, "greater than or equal to 1"),
    ],
)
def test_an_invalid_plan_shows_the_error_at_its_field(olga: Client, given: dict[str, str], sentence: str) -> None:
    answer = olga.post(reverse("operations:plan_migration"), {"policy": "standard", "because": "x", **given})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()


def test_partial_success_is_shown_and_failed_customers_are_retried(olga: Client, sandbox: Sandbox) -> None:
    blocked, other = make_sender("Held", domains=1), make_sender("Other", domains=1)
    client, arn = aws.client("sesv2"), aws.identity_arn(blocked.domains.get().name)
    client.create_tenant(TenantName="by-hand")
    client.create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    migration = migrate(blocked, other)
    url = reverse("operations:migration", args=[migration.pk])
    page = olga.get(url).content.decode()
    assert "Partly done" in page
    assert "1 of 2" in page
    assert "another tenant" in page
    assert "Other" not in olga.get(f"{url}?show=failed").content.decode().split("<ol")[1]
    client.delete_tenant(TenantName="by-hand")
    olga.post(reverse("operations:steer_migration", args=[migration.pk]), {"do": "retry"})
    migration_steps_services.work()
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.DONE}


def test_a_single_rollback_requires_a_reason(olga: Client, sandbox: Sandbox) -> None:
    item = migrate(make_sender(domains=1)).items.get()
    url = reverse("operations:migration_item", args=[item.migration_id, item.pk])
    assert olga.post(url, {"do": "roll_back", "because": ""}).status_code == 422
    olga.post(url, {"do": "roll_back", "because": "mail was refused"})
    migration_steps_services.work()
    assert "Rolled back" in olga.get(url).content.decode()


def test_pages_say_that_a_rollback_leaves_paused_customers_alone(olga: Client, sandbox: Sandbox) -> None:
    customer = make_sender("Paused Ltd", domains=1)
    item = migrate(customer, make_sender(domains=1)).items.get(customer=customer)
    pause_tenant(Tenant.objects.get(customer=customer))
    page = olga.get(reverse("operations:migration", args=[item.migration_id])).content.decode()
    assert "Sending is paused for Paused Ltd." in page
    assert "Roll back all</button>" in page
    url = reverse("operations:migration_item", args=[item.migration_id, item.pk])
    page = olga.get(url).content.decode()
    assert "Sending is paused for Paused Ltd." in page
    assert "Roll back</button>" not in page
    page = olga.post(url, {"do": "roll_back", "because": "mail was refused"}, follow=True).content.decode()
    assert "until they may send again" in page


def test_support_sees_no_button_and_is_refused(client: Client, sandbox: Sandbox) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    item = make_item(make_sender(domains=0))
    page = client.get(reverse("operations:migration", args=[item.migration_id])).content.decode()
    assert "Start</button>" not in page
    steer = reverse("operations:steer_migration", args=[item.migration_id])
    assert client.post(steer, {"do": "start"}).status_code == 403
    assert client.post(reverse("operations:move", args=[item.customer_id])).status_code == 403


def test_a_customer_in_an_open_migration_is_linked_to_it(olga: Client, sandbox: Sandbox) -> None:
    item = make_item(make_sender("Tallis Audio", domains=1))
    page = olga.get(reverse("operations:move", args=[item.customer_id])).text
    assert "Already part of a migration" in page
    assert f'href="{reverse("operations:migration", args=[item.migration_id])}"' in page
    assert "Migrate customer</button>" not in page


def test_a_large_customers_steps_are_shown_in_pages(olga: Client, sandbox: Sandbox) -> None:
    customer = make_sender("Northwind", domains=20)
    first = olga.get(reverse("operations:move", args=[customer.pk])).text
    assert ("50. " in first, "51. " in first, "1 to 50 of 68 steps" in first) == (True, False, True)
    second = olga.get(reverse("operations:move", args=[customer.pk]), {"page": 2}).text
    assert ("51. " in second, "68. Switch" in second) == (True, True)
    item = start_migration(customer).items.get()
    migration_steps_services.work()
    MigrationItem.objects.update(state=ItemState.RUNNING)  # so that the page updates itself
    url = reverse("operations:migration_item", args=[item.migration_id, item.pk])
    last = olga.get(url, {"page": 2}).text
    assert ("50. " in last, "51. " in last, "68. Switch" in last) == (False, True, True)
    assert f'hx-get="{url}?page=2"' in last
