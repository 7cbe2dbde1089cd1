"""Each call of SES that our gateways make: the emulator has it, or it stands in the list of those that it lacks."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import Emulator
from tests.test_readme import calls, operations

pytestmark = pytest.mark.emulator
# What ministack 1.5.33 does not have. One that it gets in a later version fails the test: then the flows can use it.
LACKS = {
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
    """The least that the model asks for."""
    if shape.type_name == "structure":
        return {name: sample(member) for name, member in shape.members.items() if name in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    plain = {"boolean": True, "integer": 1, "string": shape.enum[0] if getattr(shape, "enum", None) else "nobody"}
    return plain.get(shape.type_name, {})


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_each_call_is_there_or_named_as_missing(service: str, emulator: Emulator) -> None:
    client, missing = emulator.client(service), set()
    for method in sorted({method for of, method in calls() if of == service}):
        name = operations(service)[method]
        given = client.meta.service_model.operation_model(name).input_shape
        try:
            getattr(client, method)(**(sample(given) if given else {}))
        except ClientError as error:
            if error.response["Error"]["Message"].startswith(UNKNOWN):
                missing.add(name)
    assert missing == LACKS[service]
