"""IDs need no quoting in URLs."""

from django.contrib.admin.utils import quote, unquote

from inbound_admin.lib.ids import ALPHABET, new_id


def test_an_id_needs_no_quoting_in_admin_urls() -> None:
    """An ID typed into an admin URL reaches its row, with and without the admin's quoting."""
    ids = [new_id("ep") for _ in range(20_000)]
    assert [unquote(each) for each in ids] == ids
    assert [unquote(quote(each)) for each in ids] == ids


def test_an_id_has_twenty_characters_of_the_alphabet() -> None:
    prefix, _, rest = new_id("dom").partition("_")
    assert (prefix, len(rest)) == ("dom", 20)
    assert set(rest) <= set(ALPHABET)
    assert len({new_id("dom") for _ in range(1_000)}) == 1_000
