"""A default configuration set that somebody sets on an identity in SES after the customer's sends name the tenant."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import User
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from operations.drift.core import TENANTS_AREA
from operations.drift_store import services as drift_store_services
from operations.models import Difference, DriftCheck
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import set_arn
from tenants.models.tenants import Tenant, TenantResource
from tenants.resources import services as resources_services
from tests.operations.factories import make_sender, migrate, resources_in_ses, ses_call_counts

pytestmark = pytest.mark.django_db


def identity_of(tenant: Tenant) -> TenantResource:
    return TenantResource.objects.filter(tenant=tenant, kind="identity").order_by("name")[0]


def set_default(identity: TenantResource, name: str) -> str:
    client = aws.client("sesv2")
    if name:
        client.create_configuration_set(ConfigurationSetName=name)
    client.put_email_identity_configuration_set_attributes(EmailIdentity=identity.name, ConfigurationSetName=name)
    return set_arn(identity.arn, name)


def check() -> list[Difference]:
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    return list(Difference.objects.filter(gone_at=None))


def alerts() -> dict[str, str]:
    return dict(Alert.objects.filter(state=AlertState.OPEN).values_list("kind", "why"))


def test_it_is_listed_with_the_mail_that_is_rejected_and_a_restore_associates_it(
    tenant: Tenant, olga: User, sandbox: Sandbox
) -> None:
    identity = identity_of(tenant)
    arn = set_default(identity, "marketing")
    (found,) = check()
    assert (found.kind, found.subject, found.may_restore, found.may_adopt) == ("default_set", arn, True, False)
    assert f"marketing, the default configuration set of {identity.name}, isn’t associated" in found.sentence
    assert "SES rejects mail from there that names this tenant and no other set." in found.sentence
    assert f"marketing of {identity.name}" in alerts()["tenant.incomplete"]
    assert "sending.rejected" not in alerts()  # mail that names the customer's own set is accepted
    client = Client()
    client.force_login(olga)
    page = client.get(reverse("tenants:detail", args=[tenant.pk])).text
    assert f"marketing, the default of {identity.name}, is not in this tenant." in page
    assert arn not in resources_in_ses(tenant.name)  # nothing before a person decides
    tenant_drift_services.restore(difference=found, because="Theirs", actor=olga)
    sandbox.control.add_fault("denied", "CreateTenantResourceAssociation", times=9)
    with pytest.raises(AwsProblem):
        resources_services.apply_associations(tenant_id=tenant.pk)
    tenant_drift_services.work()
    found.refresh_from_db()
    assert (found.gone_at, "denied" in found.problem) == (None, True)
    sandbox.control.clear_faults()
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert (arn in resources_in_ses(tenant.name), alerts()) == (True, {})
    assert check() == []


def test_it_is_over_once_another_default_set_is_chosen_in_ses(tenant: Tenant) -> None:
    identity = identity_of(tenant)
    set_default(identity, "marketing")
    assert [row.kind for row in check()] == ["default_set"]
    set_default(identity, "")
    assert (check(), alerts()) == ([], {})


def test_one_that_somebody_associated_in_ses_too_is_accepted_and_never_removed(tenant: Tenant, olga: User) -> None:
    arn = set_default(identity_of(tenant), "marketing")
    aws.client("sesv2").create_tenant_resource_association(TenantName=tenant.name, ResourceArn=arn)
    (found,) = check()
    assert (found.kind, found.may_restore, found.may_adopt) == ("default_set", False, True)
    assert alerts().keys() == {"tenant.incomplete"}  # our rows don't have it yet
    tenant_drift_services.adopt(difference=found, because="Right", actor=olga)
    assert check() == []
    assert alerts() == {}
    assert arn in resources_in_ses(tenant.name)


def test_it_is_no_difference_before_sends_name_the_tenant(tenant: Tenant) -> None:
    Tenant.objects.update(sends_since=None)
    set_default(identity_of(tenant), "marketing")
    assert check() == []


def test_a_failed_lookup_leaves_the_difference(tenant: Tenant, sandbox: Sandbox) -> None:
    set_default(identity_of(tenant), "marketing")
    check()
    sandbox.control.add_fault("denied", "GetEmailIdentity", times=9)
    with pytest.raises(AwsProblem):
        check()
    assert Difference.objects.get(gone_at=None).kind == "default_set"
    assert alerts().keys() == {"tenant.incomplete"}


def test_a_check_reads_each_identity_once_and_ends_after_a_nights_calls(
    tenant: Tenant, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.clear_calls()
    check()
    assert ses_call_counts(sandbox)["GetEmailIdentity"] == 2
    before = DriftCheck.objects.get(area=TENANTS_AREA).at
    migrate(make_sender("Zenith", domains=1))
    monkeypatch.setattr(tenant_drift_services, "PART", 1)
    monkeypatch.setattr(tenant_drift_services, "MOST_CALLS", 5)
    check()
    seen = DriftCheck.objects.get(area=TENANTS_AREA)
    assert (seen.place, seen.at) == (tenant.name, before)
    monkeypatch.undo()
    check()
    assert DriftCheck.objects.get(area=TENANTS_AREA).place == ""


def test_an_older_read_replaces_no_newer_one(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = identity_of(tenant)
    set_default(identity, "marketing")
    read = lifecycle_gateway.default_configuration_set

    def delayed(name: str) -> str:
        """SES answers; before that is stored, the default set is removed and another read has stored it."""
        found = read(name)
        if name == identity.name:
            TenantResource.objects.filter(pk=identity.pk).update(default_set="", default_read_at=timezone.now())
        return found

    monkeypatch.setattr(lifecycle_gateway, "default_configuration_set", delayed)
    resources_services.check_default_sets(tenants=[tenant.name])
    identity.refresh_from_db()
    assert identity.default_set == ""
