"""A body that is too long or has no length is refused by its headers alone, without reading it."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import reverse

from inbound_admin.lib.http import accepts_upload
from inbound_admin.middleware import BoundedBody
from tests.factories import make_member, make_staff

pytestmark = pytest.mark.django_db

LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
ENDPOINTS = "/api/v2/endpoints"


class UnreadableBody:
    """A body that must not be read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def post_unread(client: Client, path: str, **headers: Any) -> Any:
    return client.generic("POST", path, **{"wsgi.input": UnreadableBody(), **headers})


@pytest.mark.parametrize("path", [ENDPOINTS, "/api/v2/domains", "/api/v2/nothing"])
def test_a_long_body_to_the_api_is_413_in_json_without_reading_it(client: Client, path: str) -> None:
    answer = post_unread(client, path, CONTENT_LENGTH=str(LIMIT + 1), CONTENT_TYPE="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert answer["Cache-Control"] == "no-store"


def test_a_long_form_is_413_on_a_page_without_reading_it(client: Client) -> None:
    client.force_login(make_member())
    answer = post_unread(client, reverse("domains:list"), CONTENT_LENGTH=str(LIMIT + 1))
    assert answer.status_code == 413
    assert answer["Content-Type"].startswith("text/html")
    assert f"{LIMIT:,}" in answer.content.decode()


@pytest.mark.parametrize("length", [{"HTTP_TRANSFER_ENCODING": "chunked"}, {"CONTENT_LENGTH": "1e9"}])
@pytest.mark.parametrize("path", [ENDPOINTS, "/accounts/login/"])
def test_a_body_without_a_length_is_411_without_reading_it(client: Client, path: str, length: dict[str, str]) -> None:
    answer = post_unread(client, path, **length)
    assert answer.status_code == 411
    assert ("application/json" in answer["Content-Type"]) == path.startswith("/api/")


def test_a_body_of_the_longest_length_reaches_the_view(client: Client) -> None:
    answer = client.generic("POST", ENDPOINTS, b"x" * LIMIT, "application/json")
    assert answer.json()["code"] == "NO_KEY"


def test_an_upload_page_has_a_higher_limit(client: Client) -> None:
    client.force_login(make_staff())
    path = reverse("operations:legacy_import")
    assert post_unread(client, path, CONTENT_LENGTH="60000000").status_code == 413
    short = client.generic("POST", path, b"x" * (LIMIT + 1), "text/plain")
    assert short.status_code != 413


def test_the_upload_limit_of_a_view_survives_decorators() -> None:
    @accepts_upload(1000)
    def view(request: Any) -> Any:
        raise AssertionError

    for length, refused in ((101_000, False), (101_001, True)):
        request = RequestFactory().generic("POST", "/api/x", CONTENT_LENGTH=str(length))
        answer = BoundedBody(view).process_view(request, view, (), {})
        assert (answer is not None) is refused
