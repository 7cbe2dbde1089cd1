"""SES identities over the wire: reading returns what was written, for every field."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from domains.checking.core.judgement import SesStatus
from domains.identity import gateway as identity_gateway
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing, AwsProblem
from sandbox.process import Sandbox
from tests.domains.factories import seed_identities, set_identity_status

pytestmark = pytest.mark.django_db
NAME = "shop.com"
V1 = {"Pending": SesStatus.PENDING, "Success": SesStatus.SUCCESS, "Failed": SesStatus.FAILED}
V1 |= {"TemporaryFailure": SesStatus.TEMPORARY_FAILURE, "NotStarted": SesStatus.NOT_STARTED}


def test_create_returns_what_a_read_returns(sandbox: Sandbox) -> None:
    created = identity_gateway.create_identity(NAME, domain_id="dom_1")
    read = identity_gateway.get_identity(NAME)
    assert created.tags == ()  # SES does not repeat the tags
    assert created.dkim_status is SesStatus.NOT_STARTED  # as observed on SES; the next read says PENDING
    assert read == replace(created, tags=((identity_gateway.DOMAIN_TAG, "dom_1"),), dkim_status=SesStatus.PENDING)
    assert len(read.dkim_tokens) == 3
    assert (read.dkim_zone, read.dkim_signing, read.mail_from) == ("dkim.amazonses.com", True, "")


def test_creating_an_existing_identity_raises_aws_conflict(sandbox: Sandbox) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    with pytest.raises(AwsConflict):
        identity_gateway.create_identity(NAME, domain_id="dom_2")
    assert identity_gateway.get_identity(NAME).tags == ((identity_gateway.DOMAIN_TAG, "dom_1"),)


def test_an_unknown_identity_is_missing(sandbox: Sandbox) -> None:
    calls: list[Any] = [
        lambda: identity_gateway.get_identity("no.com"),
        lambda: identity_gateway.delete_identity("no.com"),
        lambda: identity_gateway.set_dkim_signing("no.com", enabled=True),
        lambda: identity_gateway.rotate_dkim_keys("no.com", strong=True),
    ]
    for call in calls:
        with pytest.raises(AwsMissing):
            call()
    with pytest.raises(AwsProblem):
        identity_gateway.set_mail_from("no.com", "x.no.com", reject_on_mx_failure=False)
    for read in (identity_gateway.get_verification, identity_gateway.get_dkim, identity_gateway.get_mail_from):
        assert read(["no.com"]) == {}


@pytest.mark.parametrize("reject", [True, False])
def test_mail_from_is_read_as_written(sandbox: Sandbox, reject: bool) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    identity_gateway.set_mail_from(NAME, "bounce.shop.com", reject_on_mx_failure=not reject)
    identity_gateway.set_mail_from(NAME, "mail.shop.com", reject_on_mx_failure=reject)
    read = identity_gateway.get_identity(NAME)
    assert (read.mail_from, read.rejects_on_mx_failure) == ("mail.shop.com", reject)
    assert read.mail_from_status is SesStatus.PENDING
    status = identity_gateway.get_mail_from([NAME])[NAME]
    assert (status.name, status.status) == ("mail.shop.com", SesStatus.PENDING)
    identity_gateway.set_mail_from(NAME, "", reject_on_mx_failure=reject)
    assert identity_gateway.get_identity(NAME).mail_from == ""
    status = identity_gateway.get_mail_from([NAME])[NAME]
    assert (status.name, status.status) == ("", SesStatus.UNKNOWN)


@pytest.mark.parametrize("enabled", [True, False])
def test_dkim_signing_is_read_as_written(sandbox: Sandbox, enabled: bool) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    identity_gateway.set_dkim_signing(NAME, enabled=not enabled)
    identity_gateway.set_dkim_signing(NAME, enabled=enabled)
    assert identity_gateway.get_identity(NAME).dkim_signing is enabled


def test_the_verification_token_stays_the_same(sandbox: Sandbox) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    assert identity_gateway.get_verification([NAME]) == {NAME: (SesStatus.PENDING, "")}
    token = identity_gateway.start_verification(NAME)
    assert token
    assert identity_gateway.start_verification(NAME) == token
    assert identity_gateway.get_verification([NAME]) == {NAME: (SesStatus.PENDING, token)}


def test_restarted_dkim_keeps_its_keys(sandbox: Sandbox) -> None:
    tokens = identity_gateway.create_identity(NAME, domain_id="dom_1").dkim_tokens
    set_identity_status(NAME, dkim="Failed")
    assert identity_gateway.start_dkim(NAME) == tokens
    dkim = identity_gateway.get_dkim([NAME])[NAME]
    assert (dkim.status, dkim.signing, len(dkim.tokens)) == (SesStatus.PENDING, True, 3)


def test_rotated_keys_are_read_back(sandbox: Sandbox) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    tokens, zone = identity_gateway.rotate_dkim_keys(NAME, strong=False)
    read = identity_gateway.get_identity(NAME)
    assert (tokens, zone) == (read.dkim_tokens, read.dkim_zone)


def test_a_deleted_identity_is_missing(sandbox: Sandbox) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    identity_gateway.delete_identity(NAME)
    with pytest.raises(AwsMissing):
        identity_gateway.get_identity(NAME)


@pytest.mark.parametrize(("word", "status"), V1.items())
def test_both_spellings_of_a_status_in_v1_and_v2_are_read_the_same(
    sandbox: Sandbox, word: str, status: SesStatus
) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    identity_gateway.set_mail_from(NAME, "bounce.shop.com", reject_on_mx_failure=False)
    set_identity_status(NAME, ownership=word, dkim=word, mail_from=word)
    read = identity_gateway.get_identity(NAME)
    assert (read.identity_status, read.dkim_status, read.mail_from_status) == (status, status, status)
    assert identity_gateway.get_verification([NAME])[NAME][0] is status
    assert identity_gateway.get_dkim([NAME])[NAME].status is status
    assert identity_gateway.get_mail_from([NAME])[NAME].status is status
    assert identity_gateway.list_identities()[0] == {NAME: status}


def test_an_unrecognised_status_is_unknown(sandbox: Sandbox) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    set_identity_status(NAME, ownership="Pondering")
    assert identity_gateway.get_identity(NAME).identity_status is SesStatus.UNKNOWN
    assert identity_gateway.list_identities()[0] == {NAME: SesStatus.UNKNOWN}


def test_the_time_the_error_and_the_soa_of_the_last_ses_check_are_read(sandbox: Sandbox) -> None:
    identity_gateway.create_identity(NAME, domain_id="dom_1")
    identity_gateway.start_verification(NAME)
    assert (identity_gateway.get_identity(NAME).error_type, identity_gateway.get_identity(NAME).looked_at) == ("", None)
    sandbox.control.tick()
    assert identity_gateway.get_identity(NAME).error_type == "HOST_NOT_FOUND"
    sandbox.control.add_zone(NAME)
    sandbox.control.tick()
    read = identity_gateway.get_identity(NAME)
    assert isinstance(read.looked_at, datetime)
    assert read.soa.split(" ")[1].isdigit()


def test_a_batch_of_a_hundred_and_one_is_refused(sandbox: Sandbox) -> None:
    names = [f"d{number}.com" for number in range(identity_gateway.BATCH)]
    seed_identities(names, ownership="Success")
    assert (
        set(identity_gateway.get_verification(names))
        == set(identity_gateway.get_dkim(names))
        == set(identity_gateway.get_mail_from(names))
        == set(names)
    )
    for call in (identity_gateway.get_verification, identity_gateway.get_dkim, identity_gateway.get_mail_from):
        with pytest.raises(AwsProblem):
            call([*names, "one-more.com"])


def test_the_list_has_pages_of_a_thousand_with_domains_and_addresses(sandbox: Sandbox) -> None:
    seed_identities([f"d{number}.com" for number in range(1_500)])
    aws.client("sesv2").create_email_identity(EmailIdentity="me@shop.com")
    first, token = identity_gateway.list_identities()
    second, end = identity_gateway.list_identities(token)
    assert (len(first) + len(second), end) == (1_501, "")
    assert "me@shop.com" in first | second
    assert not set(first) & set(second)


def test_each_function_makes_one_call(sandbox: Sandbox) -> None:
    calls: list[Any] = [
        lambda: identity_gateway.create_identity(NAME, domain_id="dom_1"),
        lambda: identity_gateway.get_identity(NAME),
        lambda: identity_gateway.start_verification(NAME),
        lambda: identity_gateway.start_dkim(NAME),
        lambda: identity_gateway.get_verification([NAME]),
        lambda: identity_gateway.get_dkim([NAME]),
        lambda: identity_gateway.get_mail_from([NAME]),
        identity_gateway.list_identities,
        lambda: identity_gateway.set_mail_from(NAME, "bounce.shop.com", reject_on_mx_failure=True),
        lambda: identity_gateway.set_dkim_signing(NAME, enabled=False),
        lambda: identity_gateway.rotate_dkim_keys(NAME, strong=False),
        lambda: identity_gateway.delete_identity(NAME),
    ]
    for call in calls:
        sandbox.control.clear_calls()
        call()
        assert sum(sandbox.control.call_counts().values()) == 1
