"""Share links: their state, the actions they list, and the little that is stored about visitors."""

from datetime import UTC, datetime, timedelta

import pytest

from domains.records.core import RecordAction, action_of
from domains.sharing.core import (
    ShareLinkState,
    actions_summary,
    browser_of,
    network_of,
    state_at,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"


@pytest.mark.parametrize(
    ("code", "found", "action"),
    [
        ("dns.absent", (), RecordAction.ADD),
        ("", (), RecordAction.ADD),
        ("dns.value.other_token", ("token",), RecordAction.ADD),
        ("dns.value.typo", ("valeu",), RecordAction.EDIT),
        ("dns.value.wrong_type", ("value",), RecordAction.REPLACE),
        ("dns.rival.mx", ("1 aspmx.l.google.com",), RecordAction.EDIT),
        ("dns.rival.cname", ("shops.host.net",), RecordAction.REMOVE),
        ("dns.rival.null_mx", ("0 .",), RecordAction.REMOVE),
    ],
)
def test_a_record_is_added_edited_or_removed(code: str, found: tuple[str, ...], action: RecordAction) -> None:
    assert action_of(code, found) is action


@pytest.mark.parametrize(
    ("add", "edit", "remove", "words"),
    [
        (1, 0, 0, "1 record to add"),
        (2, 4, 1, "2 records to add, 4 to edit and 1 conflict to remove"),
        (0, 1, 2, "1 record to edit and 2 conflicts to remove"),
        (2, 3, 0, "2 records to add and 3 to edit"),
        (0, 0, 1, "1 conflict to remove"),
        (0, 0, 0, ""),
    ],
)
def test_actions_are_counted_by_kind(add: int, edit: int, remove: int, words: str) -> None:
    actions = [RecordAction.ADD] * add + [RecordAction.EDIT] * edit + [RecordAction.REMOVE] * remove
    assert actions_summary(actions) == words


def test_a_link_is_open_until_it_expires_or_is_revoked() -> None:
    assert state_at(NOW, expires_at=NOW + SECOND, revoked_at=None) is ShareLinkState.OPEN
    assert state_at(NOW, expires_at=NOW, revoked_at=None) is ShareLinkState.EXPIRED
    assert state_at(NOW, expires_at=NOW - SECOND, revoked_at=None) is ShareLinkState.EXPIRED
    assert state_at(NOW, expires_at=NOW - SECOND, revoked_at=NOW) is ShareLinkState.REVOKED


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("", ""),
        ("<script>", ""),
    ],
)
def test_only_the_network_of_an_address_is_stored(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (IPHONE, "Safari, iPhone"),
        (EDGE, "Edge, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("curl/8.5.0", "curl"),
        ("", ""),
        ("<b>bold</b>" * 100, "bbold"),
    ],
)
def test_a_browser_is_named_briefly(agent: str, browser: str) -> None:
    assert browser_of(agent) == browser
    assert len(browser_of(agent)) <= 60
