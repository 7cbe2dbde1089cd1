"""schemathesis over the whole description, with three keys: no 5xx, and no answer outside of the description.

`make test` tries a bounded and repeatable number of calls; `make fuzz` as many as FUZZ_EXAMPLES says, each time others.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker, Settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.roles import Role
from sandbox.process import Sandbox
from tests.api_client import api_of, operations
from tests.api_rows import make_world
from tests.factories import make_member, make_staff

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
KEYS = {"customer": ("read", "write"), "staff": ("read", "write", "staff"), "read-only": ("read",)}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TRY = settings(
    max_examples=EXAMPLES or 6,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if EXAMPLES else ())),
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = operations()


@pytest.fixture(scope="module")
def schema(django_db_blocker: DjangoDbBlocker) -> Any:
    """Unblock the database: a request checks the connection that an earlier test left open."""
    with django_db_blocker.unblock():
        return schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """Keep the connection with the test's transaction, which the end of a request would close."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def ids(sandbox: Sandbox, settings: Settings, kept_connection: None) -> dict[str, str]:
    """Return the IDs of Alice's rows, for the parameters of paths."""
    settings.API_CALLS_PER_MINUTE, settings.API_WAIT_SECONDS = 0, 0
    settings.CHECK_NOW_EVERY_SECONDS, settings.DNS_TIMEOUT_SECONDS = 0, 3
    world = make_world()
    return {"customer": world.customer.pk, **world.ids}


def secret_of(who: str, customer: str) -> str:
    if who == "staff":
        return api_of(make_staff(Role.ADMIN), *KEYS[who]).secret
    user = make_member()
    user.memberships.update(customer=customer)
    return api_of(user, *KEYS[who]).secret


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_every_response_fits_the_description(schema: Any, ids: dict[str, str], method: str, path: str) -> None:
    secrets = {who: secret_of(who, ids["customer"]) for who in KEYS}
    cases = st.one_of(*(schema[path][method].as_strategy(generation_mode=mode) for mode in MODES))

    @TRY
    @given(case=cases, who=st.sampled_from(sorted(KEYS)), known=st.booleans())
    def call_operation(case: Any, who: str, known: bool) -> None:  # hypothesis passes it
        if known:
            case.path_parameters = {name: ids.get(name, value) for name, value in case.path_parameters.items()}
        headers = {
            "Authorization": f"Bearer {secrets[who]}",
            "Accept-Encoding": "identity",
        }  # nothing here decompresses
        case.call_and_validate(headers=headers, checks=CHECKS)

    call_operation()
