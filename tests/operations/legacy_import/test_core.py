"""The old system's rows, out of its files and made ready."""

import json
from typing import Any

import pytest

from inbound_admin.lib.errors import Refused
from operations.legacy_import.core import ParsedRow, RowKind, mark_duplicates, our_config, parse_rows, read_sections

ALICE = {"id": "u1", "email": "Alice@Example.com", "name": "Alice"}
BOB = {"id": "u2", "email": "bob@example.com", "name": "Bob"}
SHOP = {"id": "d1", "domain": "shop.com", "userId": "u1", "mailFromDomain": "mail.shop.com"}
HOOK = {"id": "e1", "name": "Desk", "type": "webhook", "config": {"url": "https://a.example/"}, "userId": "u1"}


def ready(**sections: list[dict[str, Any]]) -> list[ParsedRow]:
    return list(parse_rows(sections))


def one(kind: RowKind, **sections: list[dict[str, Any]]) -> ParsedRow:
    (found,) = (given for given in ready(users=[ALICE, BOB], **sections) if given.kind is kind)
    return found


def test_a_domain_is_its_users_by_their_address() -> None:
    found = one(RowKind.DOMAIN, domains=[{**SHOP, "canReceiveEmails": False}])
    assert (found.owner, found.name, found.why_not) == ("alice@example.com", "shop.com", "")
    assert found.values == {"mail_from": "mail.shop.com", "receives": False, "reports": False}


def test_a_domain_of_nobody_cannot_be_taken() -> None:
    assert "no user u9" in one(RowKind.DOMAIN, domains=[{**SHOP, "userId": "u9"}]).why_not


def test_a_catch_all_and_an_address_name_their_endpoint() -> None:
    domain = {**SHOP, "isCatchAllEnabled": True, "catchAllEndpointId": "e1"}
    address = {"id": "a1", "address": "me@shop.com", "domainId": "d1", "endpointId": "e1", "isActive": False}
    given: dict[str, list[dict[str, Any]]] = {"domains": [domain], "endpoints": [HOOK], "emailAddresses": [address]}
    assert one(RowKind.CATCH_ALL, **given).values == {"endpoint": "Desk", "is_active": True}
    found = one(RowKind.ADDRESS, **given)
    assert (found.owner, found.values) == ("alice@example.com", {"endpoint": "Desk", "is_active": False})


def test_an_address_whose_endpoint_is_missing_is_refused_rather_than_left_without_one() -> None:
    address = {"address": "me@shop.com", "userId": "u1", "endpointId": "e9"}
    assert "Endpoint e9 is not in the import" in one(RowKind.ADDRESS, emailAddresses=[address]).why_not


def test_two_endpoints_of_one_name_get_the_same_numbers_each_time() -> None:
    rows = [{**HOOK, "id": "e2"}, HOOK, {**HOOK, "id": "e3", "name": "desk"}, {**HOOK, "id": "e4", "userId": "u2"}]
    for some in (rows, rows[::-1]):
        found = {
            given.name for given in ready(users=[ALICE, BOB], endpoints=some) if given.owner == "alice@example.com"
        }
        assert found == {"Alice@Example.com".lower(), "Desk", "Desk (2)", "desk (3)"}


def test_older_webhooks_are_endpoints_and_configurations_get_our_names() -> None:
    hook = {"id": "w1", "name": "Old", "url": "https://b.example/", "retryAttempts": 3, "userId": "u1"}
    found = one(RowKind.ENDPOINT, webhooks=[hook])
    assert (found.values["type"], found.values["config"]) == (
        "webhook",
        {"url": "https://b.example/", "retry_attempts": 3},
    )
    group = {**HOOK, "type": "email_group", "config": {"emails": ["a@b.com"]}}
    assert one(RowKind.ENDPOINT, endpoints=[group]).values["config"] == {"addresses": ["a@b.com"]}


def test_what_is_neither_true_nor_false_is_refused() -> None:
    address = {"address": "me@shop.com", "userId": "u1", "isActive": "perhaps"}
    assert "neither true nor false" in one(RowKind.ADDRESS, emailAddresses=[address]).why_not


def test_of_two_that_are_one_to_us_the_second_is_refused() -> None:
    rows = mark_duplicates(
        parse_rows({"users": [ALICE, BOB], "domains": [SHOP, {**SHOP, "domain": "Shop.com", "userId": "u2"}]})
    )
    assert [given.why_not for given in rows if given.kind is RowKind.DOMAIN] == ["", "Duplicate row."]


def test_a_document_and_tables_say_the_same() -> None:
    document = {"users": [ALICE], "email_domains": {"data": [{"id": "d1", "domain": "shop.com", "user_id": "u1"}]}}
    tables = {
        "export/users.csv": b"\xef\xbb\xbfid,email,name\nu1,Alice@Example.com,Alice\n",
        "export/domains.csv": b"id,domain,user_id\nd1,shop.com,u1\n",
    }
    by_json = parse_rows(read_sections({"old.json": json.dumps(document).encode()}))
    assert by_json == parse_rows(read_sections(tables))
    assert [given.kind for given in by_json] == [RowKind.PERSON, RowKind.DOMAIN]


def test_a_configuration_in_a_cell_is_json() -> None:
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
def test_a_file_that_cannot_be_read_says_why(name: str, content: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_sections({name: content})


def test_one_bad_line_is_refused_alone_and_lends_its_owner_to_nobody() -> None:
    users = b"id;email;name\nu1;a@b.com;Alice\nu2;stray;c@d.com;Carl\n"
    domains = b"id,domain,userId\nd1,shop.com,u1\nd2,other.com,u2\n"
    endpoints = b"id,name,type,config,userId\ne1,Desk,email,{,u1\n"
    files = {"users.csv": users, "domains.csv": domains, "endpoints.csv": endpoints}
    said = {given.name: given.why_not for given in parse_rows(read_sections(files))}
    assert (said["a@b.com"], said["shop.com"]) == ("", "")
    assert "more cells" in said["stray"]
    assert "no user u2" in said["other.com"]
    assert said["Desk"] == "config is not valid JSON."
    (row,) = parse_rows(read_sections({"old.json": b'{"users": [1]}'}))
    assert row.why_not == "The row is not an object with named fields."


@pytest.mark.parametrize("config", [{"forwardTo": "a@b.com"}, '{"forwardTo": "a@b.com"}'], ids=["object", "text"])
def test_a_configuration_in_a_document_is_an_object_or_the_text_of_a_database(config: Any) -> None:
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
def test_a_configuration_that_cannot_be_read_refuses_its_row_alone_and_says_so(config: Any, why: str) -> None:
    bad = {"id": "e1", "name": "Bad", "type": "email", "config": config, "userId": "u1"}
    good = bad | {"id": "e2", "name": "Good", "config": '{"forwardTo": "a@b.com"}'}
    document = {"users": [ALICE], "endpoints": [bad, good]}
    said = {g.name: g.why_not for g in parse_rows(read_sections({"old.json": json.dumps(document).encode()}))}
    assert (said["Bad"], said["Good"]) == (f"config is {why}.", "")


def test_one_line_that_is_no_csv_is_refused_alone() -> None:
    users = 'id;email;name\nu1;a@b.com;"Alice, A."\nu2;"b@b.com;Bob\nu3;c@b.com;"Carl"x\nu4;d@b.com;Dora\n'
    rows = parse_rows(read_sections({"users.csv": users.encode()}))
    assert [given.owner for given in rows if not given.why_not] == ["a@b.com", "d@b.com"]
    assert [given.why_not.partition(" of the file")[0] for given in rows if given.why_not] == [
        "Line 3",
        "Line 4",
    ]


def test_a_webhook_of_a_table_has_its_numbers_as_digits() -> None:
    table = b"id;name;url;timeout;retryAttempts;headers;userId\nw1;Hook;https://a.example/;30;3;;u1\n"
    (row,) = parse_rows({"users": [ALICE], **read_sections({"webhooks.csv": table})})[1:]
    assert row.values["config"] == {"url": "https://a.example/", "timeout": 30, "retry_attempts": 3}


def test_an_address_after_a_refused_one_of_the_same_name_is_taken() -> None:
    refused = {"address": "a@shop.com", "userId": "u1", "isActive": "perhaps"}
    good = {"address": "A@shop.com", "userId": "u1"}
    rows = mark_duplicates(parse_rows({"users": [ALICE], "domains": [SHOP], "emailAddresses": [refused, good, good]}))
    said = [given.why_not for given in rows if given.kind is RowKind.ADDRESS]
    assert "neither true nor false" in said[0]
    assert said[1:] == ["", ""]  # the third is refused once the second is taken


@pytest.mark.parametrize(("flag", "active"), [(True, True), (False, False), (None, True), ("false", False)])
def test_an_endpoint_is_off_only_if_the_old_system_says_so(flag: object, active: bool) -> None:
    assert one(RowKind.ENDPOINT, endpoints=[{**HOOK, "isActive": flag}]).values["is_active"] is active


def test_a_record_of_a_domain_that_is_not_imported_says_so() -> None:
    record = {"name": "shop.com", "type": "MX", "value": "10 mx.example", "domainId": "d1"}
    assert one(RowKind.RECORD, domains=[SHOP], dnsRecords=[record]).why_not == ""
    assert one(RowKind.RECORD, dnsRecords=[record]).why_not == "Domain d1 is not in the import."
    assert "Domain (no ID)" in one(RowKind.RECORD, dnsRecords=[{**record, "domainId": ""}]).why_not


def test_a_webhook_forwards_to_no_address() -> None:
    config = {"url": "https://a.example/", "email": "me@shop.com"}
    assert our_config("webhook", config) == {"url": "https://a.example/"}
    assert our_config("email", {"email": "me@shop.com"}) == {"address": "me@shop.com"}


@pytest.mark.parametrize("content", ["email,name\na@b.example,Al;ice\n", "email;name\na@b.example;Al,ice\n"])
def test_a_table_has_semicolons_only_if_its_first_line_has_more_of_them(content: str) -> None:
    assert read_sections({"users.csv": content.encode()})["users"][0]["email"] == "a@b.example"
    tie = read_sections({"users.csv": b"email,na;me\na@b.example,Alice\n"})
    assert tie["users"][0]["na;me"] == "Alice"


def test_an_import_has_a_maximum_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.legacy_import.core.MOST_ROWS", 2)
    assert len(read_sections({"users.csv": b"email\na@b.example\nc@d.example\n"})["users"]) == 2
    with pytest.raises(Refused, match="contain 3 rows. The maximum is 2"):
        read_sections({"users.csv": b"email\na@b.example\nc@d.example\ne@f.example\n"})
