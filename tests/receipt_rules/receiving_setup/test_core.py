"""What a policy allows SES to do, case by case; adding a statement removes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from receipt_rules.live.core import IpFilter, block_everybody
from receipt_rules.receiving_setup.core import (
    PolicyAnswer,
    denying_statements,
    evaluate,
    evaluate_all,
    has_statement,
    read_policy,
    ses_call,
    ses_statement,
    statements,
    with_statement,
)

ACCOUNT = "123456789012"
SET = f"arn:aws:ses:eu-west-1:{ACCOUNT}:receipt-rule-set/inbound-admin"
BUCKET = "arn:aws:s3:::mail"
ASKED = ses_call(
    action="s3:PutObject",
    resource=f"{BUCKET}/in/AMAZON_SES_SETUP_NOTIFICATION",
    account=ACCOUNT,
    rule_arn=f"{SET}:receipt-rule/inbound-admin-001",
)
NEXT = ses_call(
    action="s3:PutObject",
    resource=f"{BUCKET}/in/AMAZON_SES_SETUP_NOTIFICATION",
    account=ACCOUNT,
    rule_arn=f"{SET}:receipt-rule/inbound-admin-002",
)
ALLOW = {
    "Effect": "Allow",
    "Principal": {"Service": "ses.amazonaws.com"},
    "Action": "s3:PutObject",
    "Resource": f"{BUCKET}/*",
}


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {**ALLOW, "Condition": {operator: {key: value}}}


def policy(*given: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(given)}


DENY_PLAIN = {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"{BUCKET}/*"}
ANSWERS = [
    ("no statement", [], PolicyAnswer.NOT_ALLOWED),
    ("no condition", [ALLOW], PolicyAnswer.ALLOWED),
    ("this account", [when("StringEquals", "AWS:SourceAccount", ACCOUNT)], PolicyAnswer.ALLOWED),
    ("the key in another case", [when("StringEquals", "aws:sourceaccount", [ACCOUNT])], PolicyAnswer.ALLOWED),
    ("another account", [when("StringEquals", "AWS:SourceAccount", "999999999999")], PolicyAnswer.NOT_ALLOWED),
    ("any rule of the set", [when("ArnLike", "AWS:SourceArn", f"{SET}:receipt-rule/*")], PolicyAnswer.ALLOWED),
    (
        "any rule of another set",
        [when("ArnLike", "aws:SourceArn", f"{SET}-2:receipt-rule/*")],
        PolicyAnswer.NOT_ALLOWED,
    ),
    (
        "a wildcard for several parts of an ARN",
        [when("ArnLike", "aws:SourceArn", "arn:aws:ses:*")],
        PolicyAnswer.NOT_ALLOWED,
    ),
    ("a wildcard for one part", [when("ArnLike", "aws:SourceArn", f"arn:aws:ses:*:{ACCOUNT}:*")], PolicyAnswer.ALLOWED),
    (
        "a pattern compared exactly",
        [when("StringEquals", "aws:SourceArn", f"{SET}:*")],
        PolicyAnswer.NOT_ALLOWED,
    ),
    ("a text pattern", [when("StringLike", "aws:SourceArn", f"{SET}:*")], PolicyAnswer.ALLOWED),
    ("the old style", [when("StringEquals", "aws:Referer", ACCOUNT)], PolicyAnswer.ALLOWED),
    (
        "the old style with another account",
        [when("StringEquals", "aws:Referer", "999999999999")],
        PolicyAnswer.NOT_ALLOWED,
    ),
    ("a negated condition", [when("StringNotEquals", "aws:SourceAccount", "999999999999")], PolicyAnswer.ALLOWED),
    ("an unknown key", [when("StringEquals", "aws:SourceVpc", "vpc-1")], PolicyAnswer.UNCLEAR),
    ("an unknown operator", [when("DateLessThan", "aws:CurrentTime", "2030")], PolicyAnswer.UNCLEAR),
    ("a policy variable", [when("StringEquals", "aws:SourceAccount", "${aws:x}")], PolicyAnswer.UNCLEAR),
    ("another service", [{**ALLOW, "Principal": {"Service": "s3.amazonaws.com"}}], PolicyAnswer.NOT_ALLOWED),
    (
        "an account with the service's name",
        [{**ALLOW, "Principal": {"AWS": "ses.amazonaws.com"}}],
        PolicyAnswer.NOT_ALLOWED,
    ),
    ("every principal", [{**ALLOW, "Principal": "*"}], PolicyAnswer.ALLOWED),
    ("a wildcard in the action", [{**ALLOW, "Action": ["S3:Put*"]}], PolicyAnswer.ALLOWED),
    ("another action", [{**ALLOW, "Action": "s3:GetObject"}], PolicyAnswer.NOT_ALLOWED),
    ("the bucket, not its objects", [{**ALLOW, "Resource": BUCKET}], PolicyAnswer.NOT_ALLOWED),
    ("another prefix", [{**ALLOW, "Resource": f"{BUCKET}/out/*"}], PolicyAnswer.NOT_ALLOWED),
    ("a Deny", [ALLOW, DENY_PLAIN], PolicyAnswer.DENIED),
    ("a Deny before the Allow", [DENY_PLAIN, ALLOW], PolicyAnswer.DENIED),
    (
        "a Deny for requests without TLS",
        [ALLOW, {**DENY_PLAIN, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}],
        PolicyAnswer.ALLOWED,
    ),
    (
        "a Deny that may apply",
        [ALLOW, {**DENY_PLAIN, "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}],
        PolicyAnswer.UNCLEAR,
    ),
    (
        "a Deny for all but SES",
        [ALLOW, {**{k: v for k, v in DENY_PLAIN.items() if k != "Principal"}, "NotPrincipal": ALLOW["Principal"]}],
        PolicyAnswer.ALLOWED,
    ),
    ("a Deny for all but reading", [ALLOW, {**DENY_PLAIN, "Action": "s3:GetObject"}], PolicyAnswer.ALLOWED),
]


@pytest.mark.parametrize(("given", "answer"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_a_policy_allows_ses_or_not(given: list[Any], answer: PolicyAnswer) -> None:
    assert evaluate(policy(*given), ASKED) is answer


def test_a_policy_for_one_rule_does_not_allow_the_next_one() -> None:
    pinned = policy(when("ArnEquals", "aws:SourceArn", f"{SET}:receipt-rule/inbound-admin-001"))
    assert evaluate(pinned, ASKED) is PolicyAnswer.ALLOWED
    assert evaluate_all(pinned, (ASKED, NEXT)) is PolicyAnswer.NOT_ALLOWED


def test_the_denying_statements_are_named() -> None:
    nameless = {key: value for key, value in DENY_PLAIN.items() if key != "Sid"}
    assert denying_statements(policy(ALLOW, DENY_PLAIN, nameless), (ASKED, NEXT)) == (
        "Tls",
        "a statement without a Sid",
    )


def test_our_statement_allows_ses() -> None:
    added = ses_statement(action="s3:PutObject", resource=f"{BUCKET}/*", account=ACCOUNT)
    assert evaluate_all(with_statement({}, added), (ASKED, NEXT)) is PolicyAnswer.ALLOWED


@pytest.mark.parametrize("text", ["[]", '"no"', "{", '{"Statement": ["x"]}'])
def test_an_invalid_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_policy(text)


_STATEMENTS = some.lists(
    some.fixed_dictionaries(
        {"Effect": some.sampled_from(["Allow", "Deny"]), "Action": some.text(max_size=9)},
        optional={"Sid": some.sampled_from(["InboundAdminSes", "InboundAdminSes2", "Other", ""])},
    ),
    max_size=5,
)


@given(_STATEMENTS)
def test_adding_a_statement_removes_and_reorders_nothing_and_is_idempotent(present: list[dict[str, Any]]) -> None:
    added = ses_statement(action="s3:PutObject", resource=f"{BUCKET}/*", account=ACCOUNT)
    before = {"Version": "2008-10-17", "Id": "theirs", "Statement": present}
    after = with_statement(before, added)
    assert statements(after)[:-1] == present
    assert (after["Version"], after["Id"]) == ("2008-10-17", "theirs")
    assert [one.get("Sid") for one in present].count(statements(after)[-1]["Sid"]) == 0
    assert has_statement(after, added)
    assert with_statement(after, added) == after


def test_a_single_statement_outside_a_list_is_kept() -> None:
    added = ses_statement(action="s3:PutObject", resource=f"{BUCKET}/*", account=ACCOUNT)
    after = with_statement({"Statement": DENY_PLAIN}, added)
    assert statements(after)[0] == DENY_PLAIN
    assert "Version" not in after  # it would enable variables in the policy


@pytest.mark.parametrize(
    ("cidrs", "everybody"),
    [
        ([], False),
        (["0.0.0.0/0"], True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["0.0.0.0/1"], False),
        (["192.0.2.7", "::/0"], False),
    ],
)
def test_block_filters_that_together_block_everybody_are_detected(cidrs: list[str], everybody: bool) -> None:
    assert block_everybody([IpFilter("x", cidr, True) for cidr in cidrs]) is everybody
    assert not block_everybody([IpFilter("x", cidr, False) for cidr in cidrs])
