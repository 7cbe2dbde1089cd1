"""Parse the previous system's files into rows."""

import json
import time
from typing import Any

import pytest

from inbound_admin.lib.errors import Refused
from operations.legacy_import.core import ParsedRow, RowKind, our_config, parse_rows, read_sections
from operations.legacy_rows.core import mark_duplicates

ALICE = {"id": "u1", "email": "Alice@Example.com", "name": "Alice"}
BOB = {"id": "u2", "email": "bob@example.com", "name": "Bob"}
SHOP = {"id": "d1", "domain": "shop.com", "userId": "u1", "mailFromDomain": "mail.shop.com"}
HOOK = {"id": "e1", "name": "Desk", "type": "webhook", "config": {"url": "https://a.example/"}, "userId": "u1"}


def parse(**sections: list[dict[str, Any]]) -> list[ParsedRow]:
    return list(parse_rows(sections))


def parse_one(kind: RowKind, **sections: list[dict[str, Any]]) -> ParsedRow:
    (found,) = (given for given in parse(users=[ALICE, BOB], **sections) if given.kind is kind)
    return found


def test_a_domain_belongs_to_its_users_email_address() -> None:
    found = parse_one(RowKind.DOMAIN, domains=[{**SHOP, "canReceiveEmails": False}])
    assert (found.owner, found.name, found.why_not) == ("alice@example.com", "shop.com", "")
    assert found.values == {"mail_from": "mail.shop.com", "receives": False, "reports": False}


def test_a_domain_of_an_unknown_user_is_refused() -> None:
    assert "no user u9" in parse_one(RowKind.DOMAIN, domains=[{**SHOP, "userId": "u9"}]).why_not


def test_catch_all_and_address_refer_to_their_endpoint_by_name() -> None:
    domain = {**SHOP, "isCatchAllEnabled": True, "catchAllEndpointId": "e1"}
    address = {"id": "a1", "address": "me@shop.com", "domainId": "d1", "endpointId": "e1", "isActive": False}
    given: dict[str, list[dict[str, Any]]] = {"domains": [domain], "endpoints": [HOOK], "emailAddresses": [address]}
    assert parse_one(RowKind.CATCH_ALL, **given).values == {"endpoint": "Desk", "is_active": True}
    found = parse_one(RowKind.ADDRESS, **given)
    assert (found.owner, found.values) == ("alice@example.com", {"endpoint": "Desk", "is_active": False})


def test_an_address_with_an_unknown_endpoint_is_refused() -> None:
    address = {"address": "me@shop.com", "userId": "u1", "endpointId": "e9"}
    assert "Endpoint e9 is not in the import" in parse_one(RowKind.ADDRESS, emailAddresses=[address]).why_not


def test_endpoints_with_equal_names_are_numbered_the_same_each_time() -> None:
    rows = [{**HOOK, "id": "e2"}, HOOK, {**HOOK, "id": "e3", "name": "desk"}, {**HOOK, "id": "e4", "userId": "u2"}]
    for order in (rows, rows[::-1]):
        found = {
            given.name for given in parse(users=[ALICE, BOB], endpoints=order) if given.owner == "alice@example.com"
        }
        assert found == {"Alice@Example.com".lower(), "Desk", "Desk (2)", "desk (3)"}


def test_older_webhooks_become_endpoints_with_renamed_options() -> None:
    hook = {"id": "w1", "name": "Old", "url": "https://b.example/", "retryAttempts": 3, "userId": "u1"}
    found = parse_one(RowKind.ENDPOINT, webhooks=[hook])
    assert (found.values["type"], found.values["config"]) == (
        "webhook",
        {"url": "https://b.example/", "retry_attempts": 3},
    )
    group = {**HOOK, "type": "email_group", "config": {"emails": ["a@b.com"]}}
    assert parse_one(RowKind.ENDPOINT, endpoints=[group]).values["config"] == {"addresses": ["a@b.com"]}


def test_a_flag_that_is_neither_true_nor_false_is_refused() -> None:
    address = {"address": "me@shop.com", "userId": "u1", "isActive": "perhaps"}
    assert "neither true nor false" in parse_one(RowKind.ADDRESS, emailAddresses=[address]).why_not


def test_the_second_of_two_equal_rows_is_refused() -> None:
    rows = mark_duplicates(
        parse_rows({"users": [ALICE, BOB], "domains": [SHOP, {**SHOP, "domain": "Shop.com", "userId": "u2"}]})
    )
    assert [given.why_not for given in rows if given.kind is RowKind.DOMAIN] == ["", "Duplicate row."]


def test_a_document_and_tables_give_equal_rows() -> None:
    document = {"users": [ALICE], "email_domains": {"data": [{"id": "d1", "domain": "shop.com", "user_id": "u1"}]}}
    tables = {
        "export/users.csv": b"\xef\xbb\xbfid,email,name\nu1,Alice@Example.com,Alice\n",
        "export/domains.csv": b"id,domain,user_id\nd1,shop.com,u1\n",
    }
    by_json = parse_rows(read_sections({"old.json": json.dumps(document).encode()}))
    assert by_json == parse_rows(read_sections(tables))
    assert [given.kind for given in by_json] == [RowKind.PERSON, RowKind.DOMAIN]


def test_a_config_cell_is_parsed_as_json() -> None:
    table = b'id,name,type,config,user_id\ne1,Desk,email,"{""forwardTo"": ""a@b.com""}",u1\n'
    (row,) = read_sections({"endpoints.csv": table})["endpoints"]
    assert row["config"] == {"forwardTo": "a@b.com"}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("old.json", b"[]", "must be one object"),
        ("old.json", b"{", "not valid JSON"),
        ("old.json", b'{"users": 1}', "not a list of rows"),
        ("old.json", b'{"others": []}', "no rows"),
        ("old.json", b"\xff", "UTF-8"),
        ("things.csv", b"a\n1\n", "Use one of these file names"),
        ("users.csv", b"id,email\n", "no rows"),
    ],
)
def test_an_unreadable_file_is_refused_with_the_reason(name: str, content: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_sections({name: content})


def test_a_malformed_csv_line_is_refused_alone_and_owns_nothing() -> None:
    users = b"id;email;name\nu1;a@b.com;Alice\nu2;stray;c@d.com;Carl\n"
    domains = b"id,domain,userId\nd1,shop.com,u1\nd2,other.com,u2\n"
    endpoints = b"id,name,type,config,userId\ne1,Desk,email,{,u1\n"
    files = {"users.csv": users, "domains.csv": domains, "endpoints.csv": endpoints}
    reasons = {given.name: given.why_not for given in parse_rows(read_sections(files))}
    assert (reasons["a@b.com"], reasons["shop.com"]) == ("", "")
    assert "more cells" in reasons["stray"]
    assert "no user u2" in reasons["other.com"]
    assert reasons["Desk"] == "config is not valid JSON."
    (row,) = parse_rows(read_sections({"old.json": b'{"users": [1]}'}))
    assert row.why_not == "The row is not an object with named fields."


@pytest.mark.parametrize("config", [{"forwardTo": "a@b.com"}, '{"forwardTo": "a@b.com"}'], ids=["object", "text"])
def test_a_documents_config_may_be_an_object_or_json_text(config: Any) -> None:
    endpoint = {"id": "e1", "name": "Desk", "type": "email", "config": config, "userId": "u1"}
    hook = {"id": "w1", "name": "Hook", "url": "https://a.example/", "headers": '{"X-Key": "1"}', "userId": "u1"}
    document = {"users": [ALICE], "endpoints": [endpoint], "webhooks": [hook], "domains": None}
    rows = parse_rows(read_sections({"old.json": json.dumps(document).encode()}))
    found = {given.name: given for given in rows if given.kind is RowKind.ENDPOINT}
    assert found["Desk"].values["config"] == {"address": "a@b.com"}
    assert found["Hook"].values["config"]["headers"] == {"X-Key": "1"}
    assert {given.why_not for given in rows} == {""}


@pytest.mark.parametrize(
    ("config", "why"), [("{", "not valid JSON"), ("[1]", "not a JSON object"), (7, "not a JSON object")]
)
def test_an_invalid_config_refuses_only_its_own_row(config: Any, why: str) -> None:
    bad = {"id": "e1", "name": "Bad", "type": "email", "config": config, "userId": "u1"}
    good = bad | {"id": "e2", "name": "Good", "config": '{"forwardTo": "a@b.com"}'}
    document = {"users": [ALICE], "endpoints": [bad, good]}
    reasons = {g.name: g.why_not for g in parse_rows(read_sections({"old.json": json.dumps(document).encode()}))}
    assert (reasons["Bad"], reasons["Good"]) == (f"config is {why}.", "")


def test_an_invalid_csv_line_is_refused_alone() -> None:
    users = 'id;email;name\nu1;a@b.com;"Alice, A."\nu2;"b@b.com;Bob\nu3;c@b.com;"Carl"x\nu4;d@b.com;Dora\n'
    rows = parse_rows(read_sections({"users.csv": users.encode()}))
    assert [given.owner for given in rows if not given.why_not] == ["a@b.com", "d@b.com"]
    assert [given.why_not.partition(" of the file")[0] for given in rows if given.why_not] == [
        "Line 3",
        "Line 4",
    ]


def test_numbers_in_a_webhook_table_are_parsed() -> None:
    table = b"id;name;url;timeout;retryAttempts;headers;userId\nw1;Hook;https://a.example/;30;3;;u1\n"
    (row,) = parse_rows({"users": [ALICE], **read_sections({"webhooks.csv": table})})[1:]
    assert row.values["config"] == {"url": "https://a.example/", "timeout": 30, "retry_attempts": 3}


def test_an_address_after_a_refused_row_with_the_same_name_is_accepted() -> None:
    refused = {"address": "a@shop.com", "userId": "u1", "isActive": "perhaps"}
    good = {"address": "A@shop.com", "userId": "u1"}
    rows = mark_duplicates(parse_rows({"users": [ALICE], "domains": [SHOP], "emailAddresses": [refused, good, good]}))
    reasons = [given.why_not for given in rows if given.kind is RowKind.ADDRESS]
    assert "neither true nor false" in reasons[0]
    assert reasons[1:] == ["", ""]  # the third is refused only once the second is stored


@pytest.mark.parametrize(("flag", "active"), [(True, True), (False, False), (None, True), ("false", False)])
def test_an_endpoint_is_disabled_only_if_the_old_system_says_so(flag: object, active: bool) -> None:
    assert parse_one(RowKind.ENDPOINT, endpoints=[{**HOOK, "isActive": flag}]).values["is_active"] is active


def test_a_record_of_a_domain_outside_the_import_says_so() -> None:
    record = {"name": "shop.com", "type": "MX", "value": "10 mx.example", "domainId": "d1"}
    assert parse_one(RowKind.RECORD, domains=[SHOP], dnsRecords=[record]).why_not == ""
    assert parse_one(RowKind.RECORD, dnsRecords=[record]).why_not == "Domain d1 is not in the import."
    assert "Domain (no ID)" in parse_one(RowKind.RECORD, dnsRecords=[{**record, "domainId": ""}]).why_not


def test_a_webhook_has_no_forwarding_address() -> None:
    config = {"url": "https://a.example/", "email": "me@shop.com"}
    assert our_config("webhook", config) == {"url": "https://a.example/"}
    assert our_config("email", {"email": "me@shop.com"}) == {"address": "me@shop.com"}


@pytest.mark.parametrize("content", ["email,name\na@b.example,Al;ice\n", "email;name\na@b.example;Al,ice\n"])
def test_a_table_uses_semicolons_only_if_they_outnumber_commas_in_the_header(content: str) -> None:
    assert read_sections({"users.csv": content.encode()})["users"][0]["email"] == "a@b.example"
    tie = read_sections({"users.csv": b"email,na;me\na@b.example,Alice\n"})
    assert tie["users"][0]["na;me"] == "Alice"


def test_an_import_has_a_maximum_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.legacy_import.core.MOST_ROWS", 2)
    assert len(read_sections({"users.csv": b"email\na@b.example\nc@d.example\n"})["users"]) == 2
    with pytest.raises(Refused, match="contain 3 rows. The maximum is 2"):
        read_sections({"users.csv": b"email\na@b.example\nc@d.example\ne@f.example\n"})


def test_a_table_of_invalid_lines_is_read_in_linear_time() -> None:
    begun = time.process_time()
    found = read_sections({"users.csv": b"id,email\n" + b'"a"b\n' * 50_000})
    assert len(found["users"]) == 50_000
    assert time.process_time() - begun < 8


def test_many_endpoints_of_one_name_are_numbered_in_linear_time() -> None:
    begun = time.process_time()
    rows = parse(users=[ALICE], endpoints=[{**HOOK, "id": f"e{number:05}"} for number in range(8_000)])
    assert (rows[1].name, rows[-1].name, len({row.name for row in rows})) == ("Desk", "Desk (8000)", 8_001)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("config", ['{"url": "https://a.example/\\ud83d"}', {"url": "https://a.example/\ud83d"}])
def test_half_an_emoji_becomes_a_question_mark(config: Any) -> None:
    document = {"users": [{**ALICE, "name": "Alice \ud83d"}], "endpoints": [{**HOOK, "config": config}]}
    person, endpoint = parse_rows(read_sections({"export.json": json.dumps(document).encode()}))
    assert (person.values["name"], endpoint.values["config"]) == ("Alice ?", {"url": "https://a.example/?"})
