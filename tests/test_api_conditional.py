"""ETag and If-None-Match: a caller that has the current content gets 304 without a body, others the content."""

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.roles import Role
from sandbox.process import Sandbox
from tests.api_client import api_of, description, ok, operations
from tests.api_rows import World, make_world
from tests.factories import make_staff
from tests.test_api_lists import LISTS

pytestmark = pytest.mark.django_db
# Their content contains the time of the call.
VOLATILE = ("/api/v2/domains/{domain_id}/diagnosis",)


@pytest.fixture
def world(sandbox: Sandbox, settings: Settings) -> World:
    settings.API_CALLS_PER_MINUTE = 0
    return make_world()


def test_every_list_and_object_is_304_while_unchanged(world: World) -> None:
    secret = api_of(make_staff(Role.ADMIN), "read", "write", "staff").secret
    paths = [path for method, path in operations() if method == "GET" and path not in VOLATILE]
    assert set(LISTS) < set(paths)
    for path in paths:
        first = Client().get(path.format(**world.ids), headers={"Authorization": f"Bearer {secret}"})
        assert (first.status_code, first["ETag"][:1]) == (200, '"'), path
        same = {"Authorization": f"Bearer {secret}", "If-None-Match": f'"other", W/{first["ETag"]}'}
        again = Client().get(path.format(**world.ids), headers=same)
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"]), path
        assert again["Cache-Control"] == "no-store", path
        assert {200, 304} <= set(description()["paths"][path]["get"]["responses"]), path


def test_a_changed_object_is_returned_in_full(world: World) -> None:
    alice = api_of(world.alice)
    path = f"/api/v2/email-addresses/{world.address.pk}"
    etag = alice.get(path)["ETag"]
    ok(alice.put(path, {"isActive": False}))
    answer = Client().get(path, headers={"Authorization": f"Bearer {alice.secret}", "If-None-Match": etag})
    assert (ok(answer)["isActive"], answer["ETag"] == etag) == (False, False)


def test_errors_and_writes_have_no_etag(world: World) -> None:
    alice = api_of(world.alice)
    wild = {"Authorization": f"Bearer {alice.secret}", "If-None-Match": "*"}
    missing = Client().get("/api/v2/domains/dom_none", headers=wild)
    assert (missing.status_code, missing.headers.get("ETag")) == (404, None)
    assert Client().get("/api/v2/domains", headers={"If-None-Match": "*"}).status_code == 401
    made = alice.post(
        "/api/v2/email-addresses", {"address": "n@shop.com", "domainId": world.domain.pk}, If_None_Match="*"
    )
    assert (made.status_code, made.headers.get("ETag")) == (201, None)
