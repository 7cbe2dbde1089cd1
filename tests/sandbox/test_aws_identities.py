"""Identities where moto is wrong: tokens, unknown names, duplicates, limits, pages, MAIL FROM, deletion, tags."""

import re

import pytest

from sandbox.process import Sandbox
from tests.sandbox.conftest import ACCOUNT, REGION, Aws, refusal


def test_tokens_depend_on_domain_and_region_and_are_stable(over_http: Aws) -> None:
    ses, elsewhere = over_http.ses, over_http.client("ses", "eu-west-1")
    first = ses.verify_domain_dkim(Domain="example.com")["DkimTokens"]
    ses.delete_identity(Identity="example.com")
    assert ses.verify_domain_dkim(Domain="Example.COM")["DkimTokens"] == first
    others = [
        ses.verify_domain_dkim(Domain="example.net")["DkimTokens"],
        elsewhere.verify_domain_dkim(Domain="example.com")["DkimTokens"],
    ]
    assert len({*first, *others[0], *others[1]}) == 9
    assert all(re.fullmatch("[a-z2-7]{32}", token) for token in first)


@pytest.mark.parametrize("name", ["junk", "-a.com", "a..com", "192.0.2.1", "exa mple.com", "a." + "b" * 64 + ".com"])
def test_an_invalid_domain_name_is_refused(fake_aws: Aws, name: str) -> None:
    assert refusal(fake_aws.ses.verify_domain_identity, Domain=name)[0] == "InvalidParameterValue"
    assert refusal(fake_aws.sesv2.create_email_identity, EmailIdentity=name)[0] == "BadRequestException"


def test_a_new_identity_is_pending_and_an_unknown_one_left_out(fake_aws: Aws) -> None:
    ses = fake_aws.ses
    ses.verify_domain_identity(Domain="example.com")
    parameters = {"Identities": ["example.com", "unknown.example"]}
    found = ses.get_identity_verification_attributes(**parameters)["VerificationAttributes"]
    assert {name: one["VerificationStatus"] for name, one in found.items()} == {"example.com": "Pending"}
    dkim = ses.get_identity_dkim_attributes(**parameters)["DkimAttributes"]
    assert dkim == {"example.com": {"DkimEnabled": False, "DkimVerificationStatus": "NotStarted"}}


def test_reading_more_than_100_identities_is_refused(fake_aws: Aws) -> None:
    names = [f"d{number}.example.com" for number in range(101)]
    ses = fake_aws.ses
    for read in (
        ses.get_identity_verification_attributes,
        ses.get_identity_dkim_attributes,
        ses.get_identity_mail_from_domain_attributes,
    ):
        assert refusal(read, Identities=names)[0] == "InvalidParameterValue"
        assert read(Identities=names[:100])


def test_creating_an_identity_twice_is_a_conflict_and_keeps_the_first(fake_aws: Aws) -> None:
    sesv2 = fake_aws.sesv2
    first = sesv2.create_email_identity(EmailIdentity="example.com", Tags=[{"Key": "made-by", "Value": "us"}])
    assert first["DkimAttributes"]["Status"] == "NOT_STARTED"
    assert refusal(sesv2.create_email_identity, EmailIdentity="example.com")[::2] == ("AlreadyExistsException", 400)
    read = sesv2.get_email_identity(EmailIdentity="example.com")
    assert read["DkimAttributes"]["Status"] == "PENDING"
    assert read["DkimAttributes"]["Tokens"] == first["DkimAttributes"]["Tokens"]
    assert read["Tags"] == [{"Key": "made-by", "Value": "us"}]


def test_tags_are_deleted_with_the_identity(fake_aws: Aws) -> None:
    sesv2 = fake_aws.sesv2
    sesv2.create_email_identity(EmailIdentity="example.com", Tags=[{"Key": "made-by", "Value": "us"}])
    sesv2.delete_email_identity(EmailIdentity="example.com")
    sesv2.create_email_identity(EmailIdentity="example.com")
    assert sesv2.get_email_identity(EmailIdentity="example.com")["Tags"] == []


def test_tagging_a_missing_identity_is_not_found(fake_aws: Aws) -> None:
    arn = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.com"
    tags = [{"Key": "a", "Value": "b"}]
    assert refusal(fake_aws.sesv2.tag_resource, ResourceArn=arn, Tags=tags)[::2] == ("NotFoundException", 404)


def test_deleting_a_missing_identity_succeeds_in_v1_and_fails_in_v2(fake_aws: Aws) -> None:
    fake_aws.ses.delete_identity(Identity="example.com")
    assert refusal(fake_aws.sesv2.delete_email_identity, EmailIdentity="example.com")[0] == "NotFoundException"
    assert refusal(fake_aws.sesv2.get_email_identity, EmailIdentity="example.com")[0] == "NotFoundException"


def test_mail_from_is_deleted_with_the_identity(fake_aws: Aws) -> None:
    ses, parameters = fake_aws.ses, {"Identities": ["example.com"]}
    ses.verify_domain_identity(Domain="example.com")
    ses.set_identity_mail_from_domain(Identity="example.com", MailFromDomain="m.example.com")
    ses.delete_identity(Identity="example.com")
    assert ses.get_identity_mail_from_domain_attributes(**parameters)["MailFromDomainAttributes"] == {}
    ses.verify_domain_identity(Domain="example.com")
    found = ses.get_identity_mail_from_domain_attributes(**parameters)["MailFromDomainAttributes"]["example.com"]
    assert found == {"BehaviorOnMXFailure": "UseDefaultValue"}


@pytest.mark.parametrize("name", ["example.com", "mexample.com", "m.example.net"])
def test_a_mail_from_that_is_no_subdomain_is_refused(fake_aws: Aws, name: str) -> None:
    fake_aws.ses.verify_domain_identity(Domain="example.com")
    v1 = refusal(fake_aws.ses.set_identity_mail_from_domain, Identity="example.com", MailFromDomain=name)
    put = fake_aws.sesv2.put_email_identity_mail_from_attributes
    v2 = refusal(put, EmailIdentity="example.com", MailFromDomain=name)
    assert (v1[0], v2[0]) == ("InvalidParameterValue", "BadRequestException")


def test_both_apis_page_through_the_same_identities(fake_aws: Aws) -> None:
    ses, sesv2 = fake_aws.ses, fake_aws.sesv2
    names = [f"d{number}.example.com" for number in range(7)]
    for name in names:
        ses.verify_domain_identity(Domain=name)
    first = ses.list_identities(MaxItems=5)
    second = ses.list_identities(MaxItems=5, NextToken=first["NextToken"])
    assert (first["Identities"] + second["Identities"], "NextToken" in second) == (names, False)
    one = sesv2.list_email_identities(PageSize=5)
    two = sesv2.list_email_identities(PageSize=5, NextToken=one["NextToken"])
    listed = [entry["IdentityName"] for entry in one["EmailIdentities"] + two["EmailIdentities"]]
    assert listed == names
    assert {entry["VerificationStatus"] for entry in one["EmailIdentities"]} == {"PENDING"}
    assert refusal(sesv2.list_email_identities, NextToken="of another list")[0] == "BadRequestException"
    found = sesv2.list_email_identities(Filter={"IDENTITY_NAME_CONTAINS": "d3."})["EmailIdentities"]
    assert [entry["IdentityName"] for entry in found] == ["d3.example.com"]


def test_another_key_length_creates_new_tokens(fake_aws: Aws) -> None:
    sesv2 = fake_aws.sesv2
    old = sesv2.create_email_identity(EmailIdentity="example.com")["DkimAttributes"]["Tokens"]

    def sign(length: str) -> list[str]:
        attributes = {"NextSigningKeyLength": length}
        answer = sesv2.put_email_identity_dkim_signing_attributes(
            EmailIdentity="example.com", SigningAttributesOrigin="AWS_SES", SigningAttributes=attributes
        )
        return list(answer["DkimTokens"])

    assert sign("RSA_2048_BIT") == old
    assert not set(sign("RSA_1024_BIT")) & set(old)


def test_some_regions_have_their_own_dkim_zone(over_http: Aws) -> None:
    made = over_http.client("sesv2", "eu-south-1").create_email_identity(EmailIdentity="example.com")
    assert made["DkimAttributes"]["SigningHostedZone"] == "dkim.eu-south-1.amazonses.com"


def test_a_full_account_refuses_another_identity(local: Sandbox, over_http: Aws) -> None:
    local.control.set_limits(identities=1)
    over_http.ses.verify_domain_identity(Domain="a.example.com")
    over_http.ses.verify_domain_identity(Domain="a.example.com")
    assert refusal(over_http.ses.verify_domain_identity, Domain="b.example.com")[0] == "LimitExceeded"
    assert refusal(over_http.sesv2.create_email_identity, EmailIdentity="c.example.com")[0] == "LimitExceededException"


def test_v1_and_v2_share_one_state(fake_aws: Aws) -> None:
    fake_aws.sesv2.create_email_identity(EmailIdentity="example.com")
    tokens = fake_aws.ses.verify_domain_dkim(Domain="example.com")["DkimTokens"]
    read = fake_aws.sesv2.get_email_identity(EmailIdentity="example.com")["DkimAttributes"]
    assert read["Tokens"] == tokens
