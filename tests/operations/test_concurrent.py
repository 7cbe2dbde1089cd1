"""Two requests that check the same and then create it, at the same moment: none of them ends in an error."""

from collections.abc import Callable
from datetime import time
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.members import services as members_services
from accounts.models.people import Customer, MemberRole, User
from accounts.people.services import store_person
from accounts.roles import Role
from audit import services as audit_services
from audit.models import Change
from domains.announcements import services as announcements_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from notifications.email.services import set_preference
from notifications.models.alerts import LIVE, Alert, NotificationPreference
from operations.customers import services as customers_services
from operations.domain_removal.services import request_removal
from operations.drift.core import STATUS, TENANTS_AREA, FoundDifference
from operations.drift_store import services as drift_store_services
from operations.migration_rollback import services as migration_rollback_services
from operations.models import Difference, ItemState, MigrationItem
from operations.pause import services as operations_pause_services
from operations.tenant_drift import services as tenant_drift_services
from operations.tenant_migration import services as tenant_migration_services
from public_api.domains import services as public_domains_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.runs import OwnRuleSet, ReceivingStop
from sandbox.process import Sandbox
from tenants.deletion import services as deletion_services
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tenants.resources import services as resources_services
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_sender, migrate
from tests.receipt_rules.factories import (
    make_address,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    set_up_receiving,
)
from tests.tenants.factories import make_tenant, make_tess
from tests.transactions import MOST_SECONDS, begin, result_of_second

pytestmark = pytest.mark.django_db(transaction=True)


def code_of(end: Any) -> str:
    assert isinstance(end, Refused), end
    return end.code


def test_two_people_with_one_address_are_one_and_a_refusal() -> None:
    adam = make_staff(Role.ADMIN)

    def add() -> None:
        store_person(person=User(email="new@people.example"), groups=[], actor=adam)

    assert code_of(result_of_second(add, add)) == "PERSON_EXISTS"
    assert User.objects.filter(email="new@people.example").count() == 1


def test_the_first_settings_of_a_person_are_saved_from_two_tabs() -> None:
    person = make_member()
    fields: dict[str, Any] = {"unwanted": (), "digest_at": time(8), "quiet_from": None, "quiet_until": None}
    first, second = (partial(set_preference, person=person, by_mail=each, **fields) for each in ("digest", "off"))
    assert not isinstance(result_of_second(first, second), Exception)
    assert NotificationPreference.objects.get(person=person).by_mail == "off"


def test_two_acts_of_staff_on_one_object_leave_one_open_alert() -> None:
    customer = make_customer()
    make_member(customer)
    about = audit_services.Subject("endpoint", "ep_1", "Desk", customer.pk)

    def act(actor: User) -> None:
        with audit_services.acting(lambda: "They called us."), transaction.atomic():
            audit_services.record("endpoint.tested", about=about, actor=actor)

    sam, olga = make_staff(), make_operator()
    assert result_of_second(partial(act, sam), partial(act, olga)) is None
    assert Alert.objects.filter(kind="staff.acted").count() == 2
    assert olga.get_username() in Alert.objects.get(kind="staff.acted", state__in=LIVE).why


def test_a_rule_set_that_two_operators_adopt_is_adopted_once(sandbox: Sandbox) -> None:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], rule_set="marketing", create_set=True)
    first = partial(OwnRuleSet.objects.create, region="eu-west-1", name="marketing", adopted=True)  # no call in it
    adopt = partial(drift_services.adopt_rule_set, name="marketing", because="one set for all", actor=make_operator())
    assert code_of(result_of_second(first, adopt)) == "RULE_SET_MISSING"
    assert OwnRuleSet.objects.get().name == "marketing"


def test_a_domain_is_not_transferred_to_a_customer_who_adds_it_at_this_moment(sandbox: Sandbox) -> None:
    domain, bob, sam = make_verified("shop.com"), make_customer("Bob"), make_staff()
    Domain.objects.update(proven_at=None, verified_at=None)  # so that Bob may claim it
    add = partial(preflight_services.add, text="shop.com", customer=bob, actor=None)
    transfer = partial(overrides_services.transfer, domain=domain, to=bob, because="sold", actor=sam)
    assert "has already added" in str(result_of_second(add, transfer))
    assert Domain.objects.get(pk=domain.pk).customer_id == domain.customer_id


def test_two_checks_of_an_area_store_a_difference_once() -> None:
    found = FoundDifference(kind="gone", key="gone shop.com", subject="shop.com", sentence="It is missing.")
    store = partial(drift_store_services.store, area="identities", found=[found], now=timezone.now())
    assert result_of_second(store, store) == 0
    assert Difference.objects.count() == 1


def test_a_customer_is_retried_in_one_migration_only() -> None:
    choice = tenant_migration_services.one(make_customer())
    migrations = []
    for _ in range(2):
        migrations.append(tenant_migration_services.plan_migration(choice=choice, actor=None))
        MigrationItem.objects.update(state=ItemState.FAILED)
    first, second = (partial(tenant_migration_services.retry, migration=each, actor=None) for each in migrations)
    assert code_of(result_of_second(first, second)) == "NOTHING_TO_DO"


def pause(tenant: Tenant, tess: User) -> None:
    shown = operations_pause_services.preview(tenant=tenant, stops_receiving=True).receiving_digest
    given: dict[str, Any] = {"reason": "phishing", "text": "Phishing.", "told": "", "receiving_digest": shown}
    operations_pause_services.pause(tenant=tenant, stops_receiving=True, actor=tess, **given)


def resume(tenant: Tenant, tess: User) -> None:
    operations_pause_services.resume(tenant=tenant, because="Resolved.", actor=tess)


def accept(tenant: Tenant, tess: User) -> None:
    tenant_drift_services.adopt(difference=Difference.objects.get(), because="Resolved.", actor=tess)


@pytest.mark.parametrize(("act", "is_paused"), [(pause, False), (resume, True), (accept, True)])
def test_a_pause_or_its_end_beside_a_new_domain_waits_in_no_circle(
    sandbox: Sandbox, act: Callable[[Tenant, User], None], is_paused: bool
) -> None:
    """Who adds a domain, imports or migrates locks the customer and then the tenant."""
    tenant, tess = make_tenant(is_paused=is_paused, stops_receiving=is_paused), make_tess()
    if is_paused:
        auto_apply_services.stop(customer=tenant.customer, because="Phishing.", actor=tess)
    set_up_receiving()
    found = FoundDifference(STATUS, "status", tenant.name, "It sends.", place=tenant.name, may_adopt=True)
    drift_store_services.store(area=TENANTS_AREA, found=[found], now=timezone.now())
    ends: list[Any] = []
    with transaction.atomic():
        Customer.objects.select_for_update(no_key=True).get(pk=tenant.customer_id)
        thread = begin(partial(act, tenant, tess), ends)
        assert resources_services.tenant_to_join(tenant.customer) == tenant
    thread.join(MOST_SECONDS)
    assert ends == [None]
    assert Tenant.objects.get(pk=tenant.pk).is_paused is not is_paused


@pytest.mark.parametrize("is_migrated", [False, True], ids=["switch", "rollback"])
def test_a_tenant_migration_beside_a_domain_that_changes_hands_waits_in_no_circle(
    sandbox: Sandbox, is_migrated: bool
) -> None:
    """A transfer locks the domain, and then the tenants of its new holder."""
    customer, ends = make_sender(domains=1), list[Any]()
    act: Callable[[], object] = partial(migrate, customer)
    if is_migrated:
        act = partial(migration_rollback_services.switch_back, migrate(customer).items.get())
    with transaction.atomic():
        Domain.objects.select_for_update().get(customer=customer)
        thread = begin(act, ends)
        pause_services.lock_tenants(customer=customer)
    thread.join(MOST_SECONDS)
    assert not isinstance(ends[0], Exception), ends
    assert Tenant.objects.get(customer=customer).names_tenant is not is_migrated


def test_a_rollback_at_the_moment_of_the_switch_waits_in_no_circle(sandbox: Sandbox) -> None:
    """The worker locks the customer, and then ends the item."""
    customer, ends = make_sender(domains=1), list[Any]()
    migration = migrate(customer)
    items = MigrationItem.objects.filter(migration=migration)
    items.update(state=ItemState.RUNNING)
    ask = partial(tenant_migration_services.roll_back, migration=migration, actor=None, because="It failed.")
    with transaction.atomic():
        Customer.locked(customer.pk)
        thread = begin(ask, ends)
        items.update(state=ItemState.DONE)
    thread.join(MOST_SECONDS)
    assert ends == [1]
    assert items.get().state == ItemState.ROLLING_BACK


def test_a_resume_at_the_moment_at_which_the_worker_settles_the_stop_waits_in_no_circle() -> None:
    """The worker locks tenants, then the stop."""
    tenant, tess, ends = make_tenant(), make_tess(), list[Any]()
    auto_apply_services.stop(customer=tenant.customer, because="Phishing.", actor=tess)
    resume = partial(auto_apply_services.resume, customer=tenant.customer, because="Resolved.", actor=tess)
    with transaction.atomic():
        pause_services.lock_tenants(customer=tenant.customer)
        thread = begin(resume, ends)
        ReceivingStop.objects.filter(customer=tenant.customer).update(settled_at=timezone.now())
    thread.join(MOST_SECONDS)
    assert ends == [None]
    assert not ReceivingStop.objects.get().is_stopped


def test_a_claim_that_is_deleted_by_two_presses_is_gone_for_both(sandbox: Sandbox) -> None:
    claim = make_domain("shop.com", stage=Stage.CLAIM, customer=make_customer())
    delete = partial(request_removal, domain=claim, typed_name="shop.com", actor=None)
    assert result_of_second(delete, delete).is_gone
    assert not Domain.objects.exists()


def test_a_domain_that_is_deleted_at_this_moment_is_not_held() -> None:
    domain = make_verified("shop.com")
    hold = partial(overrides_services.hold, domain=domain, because="x", actor=make_staff())
    assert code_of(result_of_second(domain.delete, hold)) == "DELETED_MEANWHILE"


def rename(customer: Customer) -> None:
    customers_services.rename_customer(customer=customer, name="Northwind", actor=None)


def invite(customer: Customer) -> None:
    given: dict[str, Any] = {"email": "new@people.example", "role": MemberRole.MEMBER, "site_url": "https://x.example"}
    members_services.invite(customer=customer, actor=make_staff(), **given)


def stop_receiving(customer: Customer) -> None:
    auto_apply_services.stop(customer=customer, because="Phishing.", actor=make_tess())


@pytest.mark.parametrize("act", [rename, invite, stop_receiving])
def test_a_customer_who_is_deleted_at_this_moment_is_not_changed(act: Callable[[Customer], None]) -> None:
    customer = make_customer()
    delete = Customer.objects.filter(pk=customer.pk).delete
    assert code_of(result_of_second(delete, partial(act, customer))) == "DELETED_MEANWHILE"


def notice(domain: Domain) -> None:
    announcements_services.set_notice(domain=domain, person=make_member(domain.customer), wanted=True)


def mail_from(domain: Domain) -> None:
    public_domains_services.configure_mail_from(domain=domain, name="post", actor=make_member(domain.customer))


@pytest.mark.parametrize("act", [notice, mail_from])
def test_a_domain_that_is_deleted_at_this_moment_is_not_changed(act: Callable[[Domain], None]) -> None:
    domain = make_verified("shop.com")
    delete = Domain.objects.filter(pk=domain.pk).delete
    assert code_of(result_of_second(delete, partial(act, domain))) == "DELETED_MEANWHILE"


def test_a_tenant_that_is_deleted_at_this_moment_is_deleted_for_both() -> None:
    tenant, olga = make_tenant(), make_operator()
    delete = partial(deletion_services.delete_tenant, tenant=tenant, typed_name=tenant.name, actor=olga)
    assert result_of_second(Tenant.objects.filter(pk=tenant.pk).delete, delete) is None


def test_an_address_that_is_removed_by_two_presses_is_removed_once() -> None:
    address = make_address("a@shop.com", make_verified("shop.com"))
    remove = partial(addresses_services.remove_address, address=address, actor=None)
    assert code_of(result_of_second(remove, remove)) == "ADDRESS_MISSING"
    assert Change.objects.filter(what="address.removed").count() == 1
