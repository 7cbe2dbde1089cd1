"""What a share link is worth, and how little is kept of whoever opens it."""

from datetime import UTC, datetime, timedelta

import pytest

from domains.sharing.core import ShareLinkState, browser_of, network_of, state_at

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"


def test_a_link_works_until_its_last_moment_or_until_it_is_withdrawn() -> None:
    assert state_at(NOW, expires_at=NOW + SECOND, revoked_at=None) is ShareLinkState.OPEN
    assert state_at(NOW, expires_at=NOW, revoked_at=None) is ShareLinkState.EXPIRED
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
def test_of_an_address_the_network_alone_is_kept(address: str, network: str) -> None:
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
def test_a_browser_is_named_in_a_few_words(agent: str, browser: str) -> None:
    assert browser_of(agent) == browser
    assert len(browser_of(agent)) <= 60
