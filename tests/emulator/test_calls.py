"""The emulator supports every SES call of our gateways, or the call is in the list of missing ones."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import Emulator
from tests.test_readme import calls, operations

pytestmark = pytest.mark.emulator
# Missing in ministack 1.5.33. If a later version adds one, the test fails, and the flows can use it.
MISSING = {
    "ses": {
        "CloneReceiptRuleSet",
        "GetIdentityMailFromDomainAttributes",
        "ListReceiptFilters",
        "ReorderReceiptRuleSet",
        "SetIdentityMailFromDomain",
        "SetReceiptRulePosition",
        "UpdateReceiptRule",
    },
    "sesv2": {
        "GetReputationEntity",
        "ListRecommendations",
        "ListReputationEntities",
        "PutEmailIdentityDkimAttributes",
        "PutEmailIdentityDkimSigningAttributes",
        "UpdateReputationEntityCustomerManagedStatus",
        "UpdateReputationEntityPolicy",
    },
}
UNKNOWN = ("Unknown action", "Unknown SES v2 path")


def sample(shape: Any) -> Any:
    """Return the smallest valid input."""
    if shape.type_name == "structure":
        return {name: sample(member) for name, member in shape.members.items() if name in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    plain = {"boolean": True, "integer": 1, "string": shape.enum[0] if getattr(shape, "enum", None) else "nobody"}
    return plain.get(shape.type_name, {})


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_every_call_is_supported_or_listed_as_missing(service: str, emulator: Emulator) -> None:
    client, missing = emulator.client(service), set()
    for method in sorted({method for owner, method in calls() if owner == service}):
        name = operations(service)[method]
        given = client.meta.service_model.operation_model(name).input_shape
        try:
            getattr(client, method)(**(sample(given) if given else {}))
        except ClientError as error:
            if error.response["Error"]["Message"].startswith(UNKNOWN):
                missing.add(name)
    assert missing == MISSING[service]
