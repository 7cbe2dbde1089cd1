"""The rows of `make fill` are valid for the product."""

import pytest
from django.test import override_settings

from benchmarks import data
from domains.models.domains import Domain
from receipt_rules.live.selectors import last_known
from receipt_rules.models.addresses import Address, CatchAll
from tenants.models.tenants import Tenant


@pytest.mark.django_db
@override_settings(RECEIVING_FUNCTION=data.FUNCTION, AWS_REGION=data.REGION)
def test_filled_rows_are_valid_and_the_rules_match_the_desired_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_analyse", lambda: None)  # no vacuum inside a test's transaction
    assert data.fill(200) == {
        "Customers": 40,
        "Tenants": 40,
        "Domains": 200,
        "Record Checks": 1400,
        "Addresses": 2000,
        "Catch-Alls": 180,
        "Changes": 1000,
    }
    for rows in (
        Domain.objects.all()[:20],
        Address.objects.all()[:20],
        CatchAll.objects.all()[:20],
        Tenant.objects.all()[:5],
    ):
        for row in rows:
            row.full_clean(exclude={"set_sends", "set_measures"})  # not in any form
    known = last_known()
    assert known is not None
    assert known.own_recipients == 180 + 18  # an entry for each catch-all, and one address in ten for the others
