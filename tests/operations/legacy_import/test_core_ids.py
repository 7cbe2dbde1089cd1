"""An ID of the previous system that stands for several things names none of them."""

from typing import Any

import pytest

from inbound_admin.lib.errors import Refused
from operations.legacy_import.core import ParsedRow, RowKind, parse_rows, read_sections

ALICE = {"id": "1", "email": "alice@example.com", "name": "Alice"}
BOB = {"id": "2", "email": "bob@example.com", "name": "Bob"}
DESK = {"id": "1", "name": "Desk", "type": "email", "config": {"email": "a@b.com"}, "userId": "1"}
HOOK = {"id": "1", "name": "Hook", "url": "https://a.example/", "userId": "1"}


def parse(**sections: list[dict[str, Any]]) -> dict[tuple[RowKind, str], ParsedRow]:
    return {(given.kind, given.name): given for given in parse_rows(sections)}


def test_a_domain_of_an_id_that_two_people_have_goes_to_neither() -> None:
    found = parse(users=[ALICE, {**BOB, "id": "1"}], domains=[{"id": "d1", "domain": "shop.com", "userId": "1"}])
    assert "no user 1 with one email address" in found[RowKind.DOMAIN, "shop.com"].why_not


def test_a_person_who_is_named_twice_has_the_domain() -> None:
    again = {**ALICE, "email": "ALICE@example.com", "name": "Alice A."}
    found = parse(users=[ALICE, again], domains=[{"id": "d1", "domain": "shop.com", "userId": "1"}])
    assert found[RowKind.DOMAIN, "shop.com"].why_not == ""


def test_an_endpoint_and_a_webhook_may_have_one_id() -> None:
    addresses = [
        {"address": "a@shop.com", "userId": "1", "endpointId": "1"},
        {"address": "b@shop.com", "userId": "1", "webhookId": "1"},
    ]
    found = parse(users=[ALICE], endpoints=[DESK], webhooks=[HOOK], emailAddresses=addresses)
    assert found[RowKind.ADDRESS, "a@shop.com"].values["endpoint"] == "Desk"
    assert found[RowKind.ADDRESS, "b@shop.com"].values["endpoint"] == "Hook"


def test_two_endpoints_with_one_id_are_both_imported_and_no_address_uses_either() -> None:
    address = {"address": "a@shop.com", "userId": "1", "endpointId": "1"}
    found = parse(users=[ALICE], endpoints=[DESK, {**DESK, "name": "Other"}], emailAddresses=[address])
    assert {(RowKind.ENDPOINT, "Desk"), (RowKind.ENDPOINT, "Other")} <= found.keys()
    assert "not in the import once" in found[RowKind.ADDRESS, "a@shop.com"].why_not


@pytest.mark.parametrize("table", ["d1,shop.com,1\nd2,other.com,1\n", "id\tdomain\tuserId\nd1\tshop.com\t1\n"])
def test_a_table_without_a_header_that_we_know_is_refused_as_a_whole(table: str) -> None:
    with pytest.raises(Refused, match="domains.csv could not be read: its first line names no column “domain”"):
        read_sections({"domains.csv": table.encode()})


def test_a_table_in_another_encoding_is_refused_as_a_whole() -> None:
    with pytest.raises(Refused, match=r"it is not UTF-8 text\. Save it as CSV \(UTF-8\)"):
        read_sections({"domains.csv": "id;domain\nd1;bücher.com\n".encode("cp1252")})
