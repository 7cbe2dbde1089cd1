"""Which customers a file selects for a mass migration, and what is said about each line that selects none."""

import pytest

from inbound_admin.lib.errors import Refused
from operations.tenant_migration import services as tenant_migration_services
from operations.tenant_migration.core import MOST_LINES, customer_lines, file_text
from operations.tenant_migration.services import Choice
from tests.factories import make_customer
from tests.operations.factories import make_sender, start_migration
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db


def chosen(text: str, encoding: str = "utf-8") -> Choice:
    return tenant_migration_services.by_file(text.encode(encoding), "customers.csv")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Acme GmbH\nBöhm & Co\n", "utf-8"),
        ("Acme GmbH\r\nBöhm & Co", "utf-8-sig"),
        ("Acme GmbH\tgold\r\nBöhm & Co\tgold\r\n", "utf-16"),
        ("Acme GmbH;gold\nBöhm & Co;silver\n", "utf-8"),
        ("Acme GmbH,gold\nBöhm & Co,silver\n", "utf-8"),
        ("sep=;\r\nName;Plan\r\nAcme GmbH;gold\r\nBöhm & Co;silver\r\n", "utf-8-sig"),
        ("plan;Customer\ngold;acme gmbh\nsilver;BÖHM & CO\n", "utf-8"),
        ('"Name","Plan"\n"Acme GmbH","gold, yearly"\n\n"Böhm & Co","silver"\n', "utf-8"),
        ('"Acme GmbH"\n"Böhm & Co"\n', "utf-8"),
        ('note\tname\n"two\nlines"\tAcme GmbH\nx\tBöhm & Co\n', "utf-8"),
        ("Acme GmbH\rBöhm & Co\r", "utf-8"),
        ("\n\n  Acme GmbH \n\n Böhm & Co\u00a0\nacme gmbh\n", "utf-8"),
    ],
)
def test_files_of_spreadsheets_and_plain_lists_select_the_same_customers(text: str, encoding: str) -> None:
    acme, boehm = make_customer("Acme GmbH"), make_customer("Böhm & Co")
    found = chosen(text, encoding)
    assert (found.customers, found.left_out) == ((acme, boehm), ())


def test_each_line_that_selects_no_customer_says_its_number_and_why() -> None:
    twins, acme = [make_customer("Twin Co") for _ in range(2)], make_customer("Acme")
    migrated, begun = make_customer("Migrated"), make_sender("Begun", domains=0)
    make_tenant(migrated)
    start_migration(begun)
    text = f"""\ufeffcustomer;note
Twin Co;x
{twins[0].pk};"two
lines"
nobody;

;without a name
Migrated;
Begun;
"Acme"x;broken
Acme;
"""
    found = chosen(text)
    assert found.customers == (twins[0], acme)
    assert found.left_out == (
        "Line 2: 2 customers have the name “Twin Co”. Use the ID.",
        "Line 5: No customer has the name or ID “nobody”.",
        "Line 7: The line names no customer.",
        "Line 8: “Migrated” is migrated already, or part of another migration.",
        "Line 9: “Begun” is migrated already, or part of another migration.",
        "Line 10: The line is not valid CSV (';' expected after '\"'). Check its quotation marks.",
    )


def test_a_name_that_a_migrated_customer_has_too_selects_nobody() -> None:
    make_tenant(make_customer("Twin Co"))
    twin = make_customer("Twin Co")
    with pytest.raises(Refused, match="2 customers have the name") as refused:
        chosen("Twin Co\n")
    assert refused.value.code == "NOBODY"
    assert chosen(f"{twin.pk}\n").customers == (twin,)


def test_a_column_of_ids_counts_before_one_of_names() -> None:
    twins = [make_customer("Twin Co") for _ in range(2)]
    text = f"id,customer,customer_id\ntnt_1,Twin Co,{twins[1].pk}\n"
    assert chosen(text).customers == (twins[1],)


def test_a_separator_in_a_name_splits_no_name() -> None:
    make_customer("Acme")
    inc, other = make_customer("Acme, Inc; Paris"), make_customer("Other")
    assert chosen("Acme, Inc; Paris\nOther\n").customers == (inc, other)
    assert chosen("Acme, Inc; Paris\n").customers == (inc,)
    found = chosen("Acme, Ltd\nOther\n")
    assert found.customers == (other,)
    assert found.left_out == ("Line 1: No customer has the name or ID “Acme, Ltd”.",)


def test_a_name_that_an_export_made_harmless_is_read_as_it_is() -> None:
    odd = make_customer("=HYPERLINK Ltd")
    assert chosen("name;note\n'=HYPERLINK Ltd;x\n").customers == (odd,)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("Böhm".encode("cp1252"), "FILE_UNREADABLE"),
        (b"\xff\xfeA", "FILE_UNREADABLE"),
        (b"", "FILE_EMPTY"),
        (b"sep=;\r\n", "FILE_EMPTY"),
        (b"customer;plan\n", "FILE_EMPTY"),
        (b"nobody\n", "NOBODY"),
        (b'"never closed\n', "NOBODY"),
        (b"a" * 200_000, "NOBODY"),
        (b"name\n" + b"a" * 200_000, "NOBODY"),
        (b"x\n" * (MOST_LINES + 1), "TOO_MANY"),
    ],
)
def test_a_file_that_selects_nobody_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        tenant_migration_services.by_file(data, "customers.csv")
    assert refused.value.code == code
    assert len(str(refused.value)) < 2_000


def test_every_line_is_read_once() -> None:
    lines = customer_lines(file_text(b"id;x\n" + b'a;"1\n2"\n"b"b;c\n' * 3))
    assert [(line.number, bool(line.problem)) for line in lines] == [
        (2, False),
        (4, True),
        (5, False),
        (7, True),
        (8, False),
        (10, True),
    ]


def test_only_the_first_lines_are_named_in_a_refusal() -> None:
    with pytest.raises(Refused) as refused:
        chosen("nobody\n" * 25)
    assert str(refused.value).count("nobody") == 10
    assert str(refused.value).endswith("And 15 more lines.")
