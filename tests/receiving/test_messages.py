"""Malformed MIME is read as far as possible and never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def read_all(letter: Letter) -> None:
    """Read all parts of a message that the function writes as JSON."""
    parts = [letter.text, letter.html, letter.header("Subject"), *letter.headers]
    parts += [each.filename for each in letter.attachments]
    parts += [
        f"{each.name} {each.address}" for name in ("from", "to", "cc", "reply-to") for each in letter.mailboxes(name)
    ]
    for part in parts:
        assert "\x00" not in part
        part.encode()


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
