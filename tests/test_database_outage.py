"""While the database is gone, restarts or can't write: 503, Retry-After, and no claim about what was saved unless it
is known. The database is taken away for real: its port is closed, or its server ends the connection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client

from accounts.models.people import User
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.database_outage import Written
from sandbox.process import Sandbox
from tests.api_client import Api, api_of
from tests.domains.factories import make_domain
from tests.factories import make_member, make_staff
from tests.test_health import closed_port

NOT_REACHED = "We can't reach our database"
NOTHING = "Nothing was changed"
UNKNOWN = "Your change may or may not have been saved. Check before you repeat it."


@contextmanager
def no_database() -> Iterator[None]:
    """Close the database's port, as during a restart."""
    with pytest.MonkeyPatch.context() as patch:
        connection.close()
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", str(closed_port()))
        yield
    connection.close()


When = Callable[["psycopg.Connection[Any]", str], bool]


def starts_with(*words: str) -> When:
    return lambda _, sql: sql.lstrip().startswith(words)


def is_added(other: "psycopg.Connection[Any]", _: str) -> bool:
    """Return whether the domain is committed, as another connection sees it."""
    return other.execute("SELECT 1 FROM domains_domain").fetchone() is not None


@contextmanager
def connection_lost(when: When, *, after: bool = False) -> Iterator[None]:
    """End the connection before, or `after`, the first statement that matches."""
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    left = [when]
    with psycopg.connect(**{name: params[name] for name in names if params.get(name)}, autocommit=True) as other:

        def end(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
            is_it = bool(left) and left[0](other, str(sql))
            result = execute(sql, *rest) if after or not is_it else None
            if is_it:
                left.clear()
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
            return result if after or not is_it else execute(sql, *rest)

        with connection.execute_wrapper(end):
            yield
    assert not left, "no statement matched"
    connection.close()


def browser(user: User) -> Client:
    client = Client(raise_request_exception=False, headers={"x-reason": "A test asks."})
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode()).replace("&#x27;", "'")


@pytest.fixture
def olga(transactional_db: None) -> Client:
    return browser(make_staff(Role.ADMIN))


@pytest.fixture
def alice(transactional_db: None) -> Client:
    return browser(make_member())


@pytest.fixture
def key(transactional_db: None) -> Api:
    return api_of(make_member())


@pytest.mark.parametrize(
    "path",
    ["/domains/", "/operations/", "/admin/", "/admin/domains/domain/", "/accounts/login/", "/domains/domains.csv"],
)
def test_a_page_is_503_with_retry_after_and_a_link_to_try_again(olga: Client, path: str) -> None:
    with no_database():
        answer = olga.get(path)
    assert (answer.status_code, answer["Retry-After"], answer["X-Problem"]) == (503, "5", "DATABASE_UNREACHABLE")
    assert NOT_REACHED in text_of(answer)
    assert f'href="{path}"' in text_of(answer)
    assert NOTHING not in text_of(answer)  # no change was requested
    assert "Content-Security-Policy" in answer


def test_a_form_without_a_database_says_that_nothing_was_changed(alice: Client) -> None:
    with no_database():
        answer = alice.post("/domains/add/", {"name": "shop.com"})
    assert answer.status_code == 503
    assert f"{NOTHING}. Try again in a moment. Your browser’s back button brings back what you entered." in text_of(
        answer
    )
    assert 'href="/domains/add/"' not in text_of(answer)  # that would not repeat the failed request


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_htmx_request_gets_an_alert_on_the_page(alice: Client, method: str) -> None:
    with no_database():
        answer = getattr(alice, method)("/domains/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Retarget"], answer["HX-Reswap"]) == (503, "#problem", "innerHTML")
    assert NOT_REACHED in text_of(answer)
    assert "<html" not in text_of(answer)
    assert (NOTHING in text_of(answer)) == (method == "post")


def test_the_api_returns_its_own_error_format(key: Api) -> None:
    with no_database():
        read, write = key.get("/api/v2/domains"), key.post("/api/v2/domains", {"domain": "shop.com"})
    for answer in (read, write):
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert answer["Content-Type"] == "application/json"
        assert answer.json()["code"] == "DATABASE_UNREACHABLE"
    assert read.json()["error"] == f"{NOT_REACHED}. Try again in a moment."
    assert write.json()["error"] == f"{NOT_REACHED}. {NOTHING}. Try again in a moment."


def test_a_session_call_to_the_api_gets_json(alice: Client) -> None:
    with no_database():
        answer = alice.get("/api/v2/domains")
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNREACHABLE")


def test_static_files_and_the_api_description_need_no_database(transactional_db: None) -> None:
    client = Client()
    with no_database():
        script: Any = client.get("/static/js/live.js")
        assert (script.status_code, b"X-Problem" in b"".join(script.streaming_content)) == (200, True)
        assert client.get("/api/openapi.json").status_code == 200


def test_a_connection_lost_during_a_page_is_503_and_the_next_page_works(alice: Client) -> None:
    with connection_lost(starts_with("SELECT COUNT(*)")):
        answer = alice.get("/domains/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert alice.get("/domains/").status_code == 200


def test_a_write_lost_at_its_first_statement_changed_nothing(key: Api, sandbox: Sandbox) -> None:
    with connection_lost(starts_with('INSERT INTO "domains_domain"')):
        answer = key.post("/api/v2/domains", {"domain": "shop.com"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert NOTHING in answer.json()["error"]
    assert not Domain.objects.exists()


def test_a_write_with_an_unknown_result_does_not_claim_that_nothing_was_saved(key: Api, sandbox: Sandbox) -> None:
    with connection_lost(starts_with('INSERT INTO "domains_domain"'), after=True):
        answer = key.post("/api/v2/domains", {"domain": "shop.com"})
    assert answer.json() == {"error": f"{NOT_REACHED}. {UNKNOWN}", "code": "DATABASE_UNREACHABLE"}


def test_a_committed_change_is_not_denied_after_the_connection_is_lost(key: Api, sandbox: Sandbox) -> None:
    with connection_lost(is_added):
        answer = key.post("/api/v2/domains", {"domain": "shop.com"})
    assert (answer.status_code, answer.json()["error"]) == (503, f"{NOT_REACHED}. {UNKNOWN}")
    assert Domain.objects.filter(name="shop.com").exists()


def test_a_call_with_an_idempotency_key_can_be_repeated_after_the_outage(key: Api, sandbox: Sandbox) -> None:
    sent: dict[str, Any] = {"body": {"domain": "shop.com"}, "Idempotency_Key": "one"}
    with connection_lost(starts_with('INSERT INTO "domains_domain"')):
        assert key.post("/api/v2/domains", **sent).status_code == 503
    assert key.post("/api/v2/domains", **sent).status_code == 201


def test_an_export_without_a_database_aborts_and_does_not_look_complete(olga: Client) -> None:
    for number in range(450):
        make_domain(f"shop{number:03}.com")
    answer: Any = olga.get("/domains/domains.csv")
    stream = iter(answer.streaming_content)
    assert b"shop000.com" in next(stream)
    with connection_lost(starts_with("SELECT")), pytest.raises(OperationalError):
        list(stream)


def test_a_job_that_cannot_be_queued_is_503(key: Api, sandbox: Sandbox) -> None:
    """Procrastinate wraps the database's error in its own."""
    with connection_lost(lambda _, sql: "procrastinate_defer" in sql):
        answer = key.post("/api/v2/domains", {"domain": "shop.com"})
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNREACHABLE")


def test_a_read_only_database_has_its_own_error(alice: Client, sandbox: Sandbox) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    answer = alice.post("/domains/add/", {"name": "shop.com", "confirm": "yes"})
    connection.close()
    assert (answer.status_code, answer["Retry-After"], answer["X-Problem"]) == (503, "30", "DATABASE_CANNOT_WRITE")
    assert "Our database can't save anything at the moment" in text_of(answer)
    assert NOTHING in text_of(answer)


def test_an_error_in_our_own_sql_is_500(key: Api) -> None:
    def wrong(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        return execute("SELECT no_such_column" if 'FROM "domains_domain"' in str(sql) else sql, *rest)

    with connection.execute_wrapper(wrong):
        assert key.get("/api/v2/domains").status_code == 500


@pytest.mark.parametrize(
    ("sql", "counts"),
    [
        ('INSERT INTO "domains_domain" ("id")', True),
        ('\n    UPDATE "tenants_tenant" SET "name" = %s', True),
        ('DELETE FROM "domains_domain"', True),
        ("WITH old AS (DELETE FROM x RETURNING *) SELECT 1", True),
        ("SELECT * FROM procrastinate_defer_jobs_v1(%s)", True),
        ('SELECT "domains_domain"."id" FROM "domains_domain" FOR UPDATE', False),
        ("SAVEPOINT one", False),
        ("\n    INSERT INTO api_pace AS pace (caller, free_at)", False),
        ('UPDATE "django_session" SET "session_data" = %s', False),
        ('UPDATE "accounts_apikey" SET "last_used_at" = %s', False),
        ('UPDATE "accounts_apikey" SET "revoked_at" = %s', True),
    ],
)
def test_only_statements_that_write_requested_changes_count(sql: str, counts: bool) -> None:
    written = Written()
    written(lambda *_: None, sql, None, False, {})
    assert written.may_be_kept is counts
