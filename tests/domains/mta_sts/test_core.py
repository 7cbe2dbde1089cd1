"""MTA-STS policies according to RFC 8461: what is valid, which hosts they name, and their effect on our mail."""

import pytest

from domains.mta_sts.core import (
    Fetched,
    PolicyCheck,
    PolicyEffect,
    StsPolicy,
    allows_host,
    judge,
    read_policy,
    with_problem,
)

OURS = "inbound-smtp.eu-west-1.amazonaws.com"
POLICY = f"version: STSv1\nmode: enforce\nmx: {OURS}\nmax_age: 86400\n"


def fetched(text: str = POLICY, *, status: int = 200, kind: str = "text/plain; charset=utf-8") -> Fetched:
    return Fetched(status, kind, text.encode(), is_whole=True)


@pytest.mark.parametrize("text", [POLICY, POLICY.replace("\n", "\r\n"), POLICY.replace(": ", ":"), POLICY.rstrip("\n")])
def test_a_policy_is_read_with_either_line_ending(text: str) -> None:
    assert read_policy(text) == StsPolicy("enforce", (OURS,), 86400)


def test_the_first_of_a_repeated_key_counts_and_unknown_keys_are_ignored() -> None:
    assert read_policy(f"{POLICY}mode: none\nfuture: 1\nmx: *.Example.com.\n") == StsPolicy(
        "enforce", (OURS, "*.example.com"), 86400
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "version: STSv1"),
        (POLICY.replace("STSv1", "STSv2"), "version: STSv1"),
        (POLICY.replace("enforce", "on"), "mode is none of"),
        (POLICY.replace("86400", "a day"), "max_age"),
        (POLICY.replace("86400", "31557601"), "max_age"),
        (POLICY.replace("86400", "-1"), "max_age"),
        (POLICY.replace(f"mx: {OURS}\n", ""), "no line “mx:”"),
        ("<html>\n" + POLICY, "no colon"),
    ],
)
def test_an_invalid_policy_raises_with_the_reason(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        read_policy(text)


@pytest.mark.parametrize(
    ("pattern", "is_named"),
    [
        (OURS, True),
        ("*.eu-west-1.amazonaws.com", True),
        ("*.amazonaws.com", False),
        ("*.com", False),
        ("inbound-smtp.us-east-1.amazonaws.com", False),
        ("*", False),
    ],
)
def test_a_wildcard_matches_one_label(pattern: str, is_named: bool) -> None:
    assert allows_host(StsPolicy("enforce", (pattern,), 1), OURS) is is_named


@pytest.mark.parametrize(
    ("answer", "effect", "expected"),
    [
        (fetched(), PolicyEffect.ENFORCED, "in force"),
        (fetched(POLICY.replace("enforce", "testing")), PolicyEffect.TESTING, "changes no delivery"),
        (fetched(POLICY.replace("enforce", "none")), PolicyEffect.OFF, "asks nothing"),
        (fetched(POLICY.replace(OURS, "aspmx.l.google.com")), PolicyEffect.LOSES_MAIL, f"mx: {OURS}"),
        (
            fetched(POLICY.replace(OURS, "aspmx.l.google.com").replace("enforce", "testing")),
            PolicyEffect.IGNORED,
            f"mx: {OURS}",
        ),
        (fetched(status=404), PolicyEffect.IGNORED, "answers 404"),
        (fetched(status=301), PolicyEffect.IGNORED, "follow no redirect"),
        (fetched(kind="text/html"), PolicyEffect.IGNORED, "served as text/html"),
        (fetched(kind=""), PolicyEffect.IGNORED, "text/plain"),
        (fetched("x" * 64_000), PolicyEffect.IGNORED, "longer than 64,000"),
        (fetched("nonsense"), PolicyEffect.IGNORED, "no valid policy"),
        (Fetched(200, "text/plain", b"\xff", is_whole=True), PolicyEffect.IGNORED, "holds no text"),
    ],
)
def test_a_policy_is_judged_by_its_effect_on_our_mail(answer: Fetched, effect: PolicyEffect, expected: str) -> None:
    check = judge("shop.com", OURS, answer)
    assert (check.effect, expected in check.sentence) == (effect, True), check.sentence


def test_a_failed_fetch_keeps_the_known_effect() -> None:
    known = judge("shop.com", OURS, fetched(POLICY.replace(OURS, "mx.other.net")))
    later = with_problem(known, "It is silent.")
    assert (later.effect, later.sentence, later.problem) == (known.effect, known.sentence, "It is silent.")
    assert with_problem(PolicyCheck(), "It is silent.").effect is PolicyEffect.NOT_FETCHED


def test_a_stored_check_is_read_back() -> None:
    check = judge("shop.com", OURS, fetched())
    assert PolicyCheck.of_json(check.as_json()) == check
    assert PolicyCheck.of_json({}) == PolicyCheck()
