"""Malformed MIME is read as far as possible and never raises."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiving import forwards, webhooks
from receiving.events import Arrival
from receiving.messages import Letter

NESTED = b"".join(
    b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (depth, depth) for depth in range(2000)
)
BAD = (
    b"",
    b"no header at all, only text\r\n",
    b"Subject: =?utf-9?q?x?=\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xff\xfe",
    b"Subject: =?utf-8?b?!!!?=\r\nFrom: <<<@@\r\nTo: ;;;\r\n\r\nx",
    b"Content-Type: multipart/mixed\r\n\r\n--no boundary",
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>never ended',
    b"Content-Type: application/pdf; name*=utf-8''%ff\r\nContent-Transfer-Encoding: base64\r\n\r\n====\r\n",
    b"Content-Type: image/png; name*=bogus'x'%zz\r\nContent-Disposition: attachment; filename=../../x/y\r\n\r\nx",
    b"Subject: \x00\xff\xfe\r\nX: \r\n folded\r\n\r\n\x00",
    NESTED,
)


# Each made Python's email library raise something else: CharsetError, RecursionError, TypeError.
UNREADABLE = (
    b"=?\xe9?b?YQ==?=",
    b"\r\n ".join([b"(" * 900] * 3),
    b"a:" * 3000,
    b"attachment; filename*1=x; filename*=x",
    b"text/plain; charset*1=x; charset*=x",
    b"multipart/mixed; boundary*1=x; boundary*=x; boundary=b",
    b"=?idna?b?YQ==?=",
    b"=?unicode_escape?q?\\ud800?=",
    b"text/plain; charset=unicode_escape",
    b"text/plain; charset=punycode",
    b"=?utf-8?q?x" * 3000,
)
NAMES = (
    b"Subject From To Cc Reply-To Message-ID Date X-Any Content-Type Content-Disposition Content-ID "
    b"Content-Transfer-Encoding MIME-Version"
).split()
ARRIVAL = Arrival("m1", ("a@shop.com",), "2026-01-01T12:00:00Z")


def read_all(letter: Letter) -> None:
    """All that the function makes of a message: both formats of webhooks, which must be text, and a forwarded one."""
    for payload in ("standard", "inbound"):
        endpoint = {"id": "e", "name": "e", "type": "webhook", "config": {"payload": payload}}
        links = webhooks.Links("https://x", ("https://x",) * len(letter.attachments))
        sent = webhooks.body(ARRIVAL, letter, endpoint, ["a@shop.com"], links, "now")
        shown = json.dumps(json.loads(sent), ensure_ascii=False)
        assert "\\u0000" not in shown
        shown.encode()
    forwards.rewritten(ARRIVAL, letter, "a@shop.com", "us@shop.com")


@pytest.mark.parametrize("raw", BAD)
def test_malformed_mime_is_read_as_far_as_possible(raw: bytes) -> None:
    read_all(Letter(raw))


@given(st.binary(max_size=400), st.sampled_from(BAD[:9]))
def test_no_bytes_make_the_parser_raise(noise: bytes, start: bytes) -> None:
    read_all(Letter(start + noise))


def test_a_file_name_cannot_leave_its_folder() -> None:
    (attached,) = Letter(BAD[7]).attachments
    assert attached.filename == ".._.._x_y"


def test_text_in_an_unknown_charset_is_still_read() -> None:
    assert Letter(BAD[2]).text == "\N{REPLACEMENT CHARACTER}" * 2


HOSTILE = st.one_of(
    st.sampled_from(UNREADABLE),
    st.text(alphabet="()<>@,;:\\\"/[]?=.*%' abé\x00\ud800", max_size=80).map(
        lambda t: t.encode("utf-8", "surrogatepass")
    ),
    st.binary(max_size=60).map(lambda each: each.replace(b"\n", b"")),
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), HOSTILE), max_size=6), st.binary(max_size=60))
def test_no_header_makes_it_raise(fields: list[tuple[bytes, bytes]], rest: bytes) -> None:
    head = b"".join(b"%s: %s\r\n" % field for field in fields)
    read_all(Letter(head + b"\r\n" + rest))
    outer = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    read_all(Letter(outer + head + b"\r\n" + rest + b"\r\n--b--\r\n"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", UNREADABLE)
def test_no_unreadable_value_of_any_header_raises(name: bytes, value: bytes) -> None:
    read_all(Letter(b"%s: %s\r\n\r\n-text" % (name, value)))


def test_a_header_that_cannot_be_decoded_is_shown_as_it_is_and_the_rest_is_read() -> None:
    letter = Letter(b"Subject: =?\xe9?b?YQ==?=\r\nTo: a@x.com\r\n\r\nHello")
    assert letter.header("Subject") == "=?\N{REPLACEMENT CHARACTER}?b?YQ==?="
    assert ([each.address for each in letter.mailboxes("to")], letter.text) == (["a@x.com"], "Hello")


def test_a_message_whose_boundary_cannot_be_read_is_one_attachment() -> None:
    raw = b"Subject: S\r\nContent-Type: multipart/mixed; boundary*1=x; boundary*=x\r\n\r\n--x\r\n\r\nHello"
    letter = Letter(raw)
    (attached,) = letter.attachments
    assert (letter.header("Subject"), letter.text) == ("S", "")
    assert b"Hello" in attached.content


def test_a_text_in_a_charset_of_names_is_read_as_unicode() -> None:
    assert Letter(b"Content-Type: text/plain; charset=punycode\r\n\r\n-a").text == "-a"


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: text/plain" + b";" * 2_000_000,
        b'Content-Disposition: attachment;"' + b'";' * 500_000,
        b"Content-Type: text/plain" + b"".join(b"; name*%d*=a" % number for number in range(50_000)),
        b"To: " + b"a@b.example,\r\n " * 200_000,
        b"Subject: " + b"=?utf-8?b?YQ==?= x\r\n " * 100_000,
        b"X-Long: " + b"a\r\n " * 400_000,
    ],
    ids=["semicolons", "quotes", "continued parameters", "recipients", "encoded words", "folded lines"],
)
def test_one_very_long_header_is_read_in_seconds(header: bytes) -> None:
    """Some took minutes, by the square of their length."""
    raw = header.rstrip() + b"\r\nFrom: ann@customer.example\r\n\r\nThe text"
    letter, began = Letter(raw), time.process_time()
    read_all(letter)
    assert [each.address for each in letter.mailboxes("from")] == ["ann@customer.example"]
    assert len(letter.mailboxes("to")) < 10_000
    assert len(letter.attachments) <= 1
    assert b"The text" in forwards.rewritten(ARRIVAL, letter, "a@b.example", "f@p.example")
    assert time.process_time() - began < 10


def test_long_headers_of_ordinary_mail_are_read_whole() -> None:
    people = [f"person-number-{number}@department.example" for number in range(1_000)]
    name = "x" * 150
    raw = (
        f"To: {', '.join(people)}\r\nReferences: {'<a@b.example> ' * 500}\r\n"
        f'Content-Type: application/pdf; name="{name}.pdf"; x={"y" * 2_000}\r\n\r\nx'
    ).encode()
    letter = Letter(raw)
    assert [each.address for each in letter.mailboxes("to")] == people
    assert len(letter.headers["references"][0].split()) == 500
    assert [(each.filename, each.content_type) for each in letter.attachments] == [(f"{name}.pdf", "application/pdf")]
