"""The setup check reports what is correct, what to do and what is unknown; operators can grant the permissions."""

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from django.core.management import CommandError, call_command
from django.utils import timezone
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from pytest_django import Settings

from accounts.api_keys.services import create_api_key
from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain
from domains.mta_sts.core import PolicyCheck, PolicyEffect
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live import gateway as live_gateway
from receipt_rules.permissions import services as permissions_services
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.rules import S3, Rule, RuleDelivery
from receipt_rules.receiving_setup import gateway as receiving_setup_gateway
from receipt_rules.receiving_setup import services as receiving_setup_services
from receipt_rules.receiving_setup.core import Button, SetupFinding, SetupVerdict
from sandbox.process import Sandbox
from tests.factories import make_member, make_staff
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_bucket,
    make_endpoint,
    make_operator,
    make_verified,
)

pytestmark = pytest.mark.django_db
BUCKET = "inbound-mail"
THEIRS = {
    "Sid": "Theirs",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:DeleteBucket",
    "Resource": "arn:aws:s3:::*",
}


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    handler = make_staff(Role.OPERATOR, email="handler@us.example")
    create_api_key(user=handler, name="handler", scopes=("route", "report"), actor=None)
    return domain


def first_finding(what: str) -> SetupFinding:
    """Return the first finding of this name."""
    return next(each for each in receiving_setup_services.check_setup() if each.what == what)


def put_bucket_policy(*statements: dict[str, Any], bucket: str = BUCKET) -> None:
    """Replace the policy as another AWS client would."""
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def revoke_function_permission() -> str:
    (arn,) = permissions_services.functions()
    aws.client("lambda").remove_permission(FunctionName=arn, StatementId="ses")
    return arn


def deny_access(service: str, operation: str) -> Any:
    """Answer this operation with 403 AccessDenied, as botocore receives it."""
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"

    class Raw:
        def stream(self, *_: Any, **__: Any) -> Any:
            yield body

    def answer(**_: Any) -> AWSResponse:
        return AWSResponse("http://localhost/", 403, HTTPHeaders(), Raw())

    aws.client(service).meta.events.register(f"before-send.{service}.{operation}", answer)
    return answer


def test_the_setup_check_passes_once_the_rule_set_is_active(shop: Domain) -> None:
    before = receiving_setup_services.check_setup()
    assert {each.what for each in before if each.verdict is not SetupVerdict.RIGHT} == {"Rule set"}
    with pytest.raises(CommandError, match=f"1 of {len(before)}"):
        call_command("check_receiving")
    approve_and_run(make_operator())
    after = receiving_setup_services.check_setup()
    assert {each.verdict for each in after} == {SetupVerdict.RIGHT}
    assert "inbound-mail is active and managed; it has 1 rule." in {each.sentence for each in after}
    call_command("check_receiving", "--policies")


def test_a_region_without_receiving_is_reported_without_a_call(settings: Settings) -> None:
    settings.AWS_REGION = "eu-south-2"
    (only,) = receiving_setup_services.check_setup()
    assert only.verdict is SetupVerdict.WRONG
    assert "Set AWS_REGION" in only.repair


# --- the bucket


def test_a_bucket_in_a_region_without_receiving_requires_a_role(shop: Domain, settings: Settings) -> None:
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("far-away", "eu-south-2")
    settings.RECEIVING_BUCKET = "far-away"
    bucket = first_finding("Bucket")
    assert (bucket.verdict, "eu-south-2" in bucket.sentence) == (SetupVerdict.WRONG, True)
    assert "RECEIVING_BUCKET_ROLE" in bucket.repair
    settings.RECEIVING_BUCKET_ROLE = "arn:aws:iam::123456789012:role/inbound-mail-handler"
    bucket = first_finding("Bucket")
    assert (bucket.verdict, settings.RECEIVING_BUCKET_ROLE in bucket.sentence) == (SetupVerdict.COULD_NOT_TELL, True)


def test_every_rule_contains_the_buckets_role_and_ses_accepts_it(shop: Domain, settings: Settings) -> None:
    role = aws.client("lambda").get_function(FunctionName=settings.RECEIVING_FUNCTION)["Configuration"]["Role"]
    settings.RECEIVING_BUCKET_ROLE = role
    approve_and_run(make_operator())
    rule_set = live_gateway.describe_active_rule_set()
    assert rule_set is not None
    actions = [action for rule in rule_set.rules if isinstance(rule, Rule) for action in rule.delivery.actions]
    assert {action.role for action in actions if isinstance(action, S3)} == {role}


def test_a_missing_bucket_is_reported_by_the_check_and_by_the_run(shop: Domain, settings: Settings) -> None:
    settings.RECEIVING_BUCKET = "not-there"
    run = planner_services.approve(
        digest=planner_services.plan_changes().digest, because="as planned", actor=make_operator()
    )
    for _ in range(3):
        with pytest.raises(Exception, match="InvalidS3Configuration"):
            auto_apply_services.work()
    auto_apply_services.work()
    run.refresh_from_db()
    bucket = first_finding("Bucket")
    assert (bucket.verdict, bucket.sentence) == (SetupVerdict.WRONG, "not-there doesn't exist.")
    assert "RECEIVING_BUCKET" in bucket.repair
    assert "SES can't write to the bucket" in first_finding("Last run").sentence


def test_the_buckets_region_and_policy_are_shown(shop: Domain) -> None:
    bucket = first_finding("Bucket")
    fine = "which is fine: SES in eu-west-1 can write to buckets in other regions"
    assert bucket.sentence == f"inbound-mail is in us-east-1, {fine}. Its policy lets SES in this account write."
    assert "AWS:SourceAccount" in bucket.shown


def test_an_operator_adds_the_policy_to_a_bucket_without_one(shop: Domain) -> None:
    aws.client("s3").delete_bucket_policy(Bucket=BUCKET)
    bucket = first_finding("Bucket")
    assert (bucket.verdict, bucket.button) == (SetupVerdict.WRONG, Button.BUCKET_POLICY)
    olga = make_operator()
    permissions_services.put_policy(
        bucket=BUCKET, digest=permissions_services.policy_preview(BUCKET).digest, actor=olga
    )
    assert first_finding("Bucket").verdict is SetupVerdict.RIGHT
    rows = Change.objects.filter(object_id=BUCKET).order_by("pk")
    assert [row.what for row in rows] == ["receiving.policy_approved", "receiving.policy_put"]
    assert rows[1].aws_request_ids
    assert {row.actor_name for row in rows} == {olga.get_username()}
    approve_and_run(olga)
    assert live().ours


def test_the_previous_statements_of_the_policy_are_kept(shop: Domain) -> None:
    put_bucket_policy(THEIRS)
    paste = json.loads(first_finding("Bucket").paste)
    permissions_services.put_policy(
        bucket=BUCKET, digest=permissions_services.policy_preview(BUCKET).digest, actor=make_operator()
    )
    policy = json.loads(receiving_setup_gateway.get_bucket_policy(BUCKET))
    assert policy == paste
    assert policy["Statement"][0] == THEIRS


def test_a_deny_statement_is_named_and_offers_no_button(shop: Domain) -> None:
    everything = {**THEIRS, "Sid": "Closed", "Action": "s3:*"}
    put_bucket_policy(everything)
    bucket = first_finding("Bucket")
    assert "denies SES access in Closed" in bucket.sentence
    assert (bucket.verdict, bucket.button, bucket.paste) == (SetupVerdict.WRONG, Button.NONE, "")
    with pytest.raises(Refused, match="Closed"):
        permissions_services.put_policy(bucket=BUCKET, digest="x", actor=make_operator())


def test_a_policy_with_unknown_conditions_is_neither_right_nor_wrong(shop: Domain) -> None:
    statement = json.loads(receiving_setup_gateway.get_bucket_policy(BUCKET))["Statement"][0]
    put_bucket_policy({**statement, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}})
    assert first_finding("Bucket").verdict is SetupVerdict.COULD_NOT_TELL


def test_the_policy_is_refused_if_it_changed_since_it_was_shown(shop: Domain) -> None:
    aws.client("s3").delete_bucket_policy(Bucket=BUCKET)
    shown = permissions_services.policy_preview(BUCKET).digest
    put_bucket_policy(THEIRS)
    with pytest.raises(Refused, match="has changed since you opened"):
        permissions_services.put_policy(bucket=BUCKET, digest=shown, actor=make_operator())
    assert json.loads(receiving_setup_gateway.get_bucket_policy(BUCKET))["Statement"] == [THEIRS]


def test_a_denied_read_is_not_reported_as_missing(shop: Domain) -> None:
    answer = deny_access("s3", "GetBucketLocation")
    try:
        bucket = first_finding("Bucket")
    finally:
        aws.client("s3").meta.events.unregister("before-send.s3.GetBucketLocation", answer)
    assert bucket.verdict is SetupVerdict.COULD_NOT_TELL
    assert "AWS denied access" in bucket.sentence
    assert "README" in bucket.repair


def test_each_bucket_of_an_endpoint_is_checked(shop: Domain) -> None:
    make_bucket("bobs-mail")
    make_endpoint(s3_bucket="bobs-mail")
    default, own = [each for each in receiving_setup_services.check_setup() if each.what == "Bucket"]
    assert (default.verdict, own.verdict) == (SetupVerdict.RIGHT, SetupVerdict.WRONG)
    assert own.sentence.startswith("bobs-mail is in ")


# --- the function


def test_an_operator_adds_the_functions_permission_once(shop: Domain) -> None:
    arn = revoke_function_permission()
    function = first_finding("Function")
    assert (function.verdict, function.button) == (SetupVerdict.WRONG, Button.FUNCTION_PERMISSION)
    assert "aws lambda add-permission" in function.paste
    shown, olga = permissions_services.permission_preview(arn), make_operator()
    permissions_services.add_permission(arn=arn, digest=shown.digest, actor=olga)
    assert first_finding("Function").verdict is SetupVerdict.RIGHT
    with pytest.raises(Refused, match="already"):
        permissions_services.add_permission(arn=arn, digest=shown.digest, actor=olga)
    assert len(json.loads(receiving_setup_gateway.get_policy(arn))["Statement"]) == 1
    whats = Change.objects.filter(object_id="inbound-mail-handler").order_by("pk").values_list("what", flat=True)
    assert list(whats) == ["receiving.permission_approved", "receiving.permission_added"]
    approve_and_run(olga)
    assert live().ours


def test_an_insufficient_permission_with_our_sid_must_be_removed_manually(shop: Domain) -> None:
    arn = revoke_function_permission()
    receiving_setup_gateway.add_permission(arn, sid="InboundAdminSes", account="999999999999")
    assert "Remove it in AWS" in first_finding("Function").sentence
    assert first_finding("Function").button is Button.NONE


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("not-there", "doesn't exist"),
        ("arn:aws:lambda:us-west-2:123456789012:function:x", "is in us-west-2"),
    ],
)
def test_a_function_that_ses_cannot_invoke_is_reported(
    shop: Domain, settings: Settings, name: str, reason: str
) -> None:
    settings.RECEIVING_FUNCTION = name
    assert reason in first_finding("Function").sentence
    assert first_finding("Function").verdict is SetupVerdict.WRONG


def test_no_function_is_checked_if_none_is_configured(shop: Domain, settings: Settings) -> None:
    settings.RECEIVING_FUNCTION = ""
    assert not [each for each in receiving_setup_services.check_setup() if each.what == "Function"]


# --- the topic, the filters, the rules' KMS keys


def test_the_topics_policy_is_checked(shop: Domain, settings: Settings) -> None:
    settings.RECEIVING_TOPIC = aws.client("sns").create_topic(Name="mail")["TopicArn"]
    assert first_finding("Topic").verdict is SetupVerdict.RIGHT
    aws.client("sns").set_topic_attributes(
        TopicArn=settings.RECEIVING_TOPIC, AttributeName="Policy", AttributeValue='{"Statement": []}'
    )
    assert first_finding("Topic").verdict is SetupVerdict.WRONG
    assert "sns:Publish" in first_finding("Topic").paste
    settings.RECEIVING_TOPIC += "-not-there"
    assert "doesn't exist" in first_finding("Topic").sentence


def test_filters_are_listed_and_those_that_block_everybody_are_wrong(shop: Domain) -> None:
    assert "None. " in first_finding("IP filters").sentence
    client = aws.client("ses")
    client.create_receipt_filter(Filter={"Name": "spam", "IpFilter": {"Policy": "Block", "Cidr": "192.0.2.0/24"}})
    assert first_finding("IP filters").sentence == "Evaluated before any rule: spam blocks 192.0.2.0/24."
    client.create_receipt_filter(Filter={"Name": "all", "IpFilter": {"Policy": "Block", "Cidr": "0.0.0.0/0"}})
    assert first_finding("IP filters").verdict is SetupVerdict.WRONG


def test_unreadable_filters_are_not_reported_as_none(shop: Domain, sandbox: Sandbox) -> None:
    sandbox.control.add_fault("error", "ListReceiptFilters", times=None)
    assert first_finding("IP filters").verdict is SetupVerdict.COULD_NOT_TELL


def test_a_rule_of_ours_with_a_kms_key_is_wrong(shop: Domain) -> None:
    approve_and_run(make_operator())
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    encrypted = RuleDelivery((S3(BUCKET, kms_key=key),))
    rule = live().ours[0]
    live_gateway.update_rule(live().name, Rule(rule.name, encrypted, rule.recipients))
    assert first_finding("Encryption").verdict is SetupVerdict.WRONG
    assert rule.name in first_finding("Encryption").sentence


# --- permissions


def test_support_and_customers_cannot_grant_permissions_to_ses(shop: Domain) -> None:
    aws.client("s3").delete_bucket_policy(Bucket=BUCKET)
    arn = revoke_function_permission()
    policy, permission = (
        permissions_services.policy_preview(BUCKET).digest,
        permissions_services.permission_preview(arn).digest,
    )
    for actor in (make_staff(), make_member()):
        with pytest.raises(Refused, match="Only operators"):
            permissions_services.put_policy(bucket=BUCKET, digest=policy, actor=actor)
        with pytest.raises(Refused, match="Only operators"):
            permissions_services.add_permission(arn=arn, digest=permission, actor=actor)
    assert receiving_setup_gateway.get_bucket_policy(BUCKET) == ""
    assert not Change.objects.filter(what__startswith="receiving.").exists()


def test_a_bucket_or_function_that_no_rule_uses_is_never_changed(shop: Domain) -> None:
    make_bucket("payroll")
    with pytest.raises(Refused, match="No rule uses payroll"):
        permissions_services.put_policy(bucket="payroll", digest="x", actor=make_operator())
    with pytest.raises(Refused, match="No rule uses arn:x"):
        permissions_services.permission_preview("arn:x")


def test_no_policy_is_previewed_for_a_missing_bucket(shop: Domain, settings: Settings) -> None:
    settings.RECEIVING_BUCKET = "not-there"
    with pytest.raises(AwsMissing):
        permissions_services.policy_preview("not-there")


def test_required_tls_without_an_mta_sts_policy_is_a_warning(shop: Domain, settings: Settings) -> None:
    Domain.objects.filter(pk=shop.pk).update(receiving_state="live")
    assert not [each for each in receiving_setup_services.check_setup() if each.what == "TLS"]
    settings.RECEIVING_TLS_REQUIRED = True
    assert "no MTA-STS policy asks senders to use TLS: shop.com" in first_finding("TLS").sentence
    shop.record_checks.create(key="mta-sts", state="verified", checked_at=timezone.now())
    assert (
        "no MTA-STS policy asks senders to use TLS: shop.com" in first_finding("TLS").sentence
    )  # published, but the policy was not fetched
    for effect in ("ignored", "off", "loses_mail"):
        Domain.objects.filter(pk=shop.pk).update(mta_sts=PolicyCheck(PolicyEffect(effect)).as_json())
        assert "shop.com" in first_finding("TLS").sentence
    Domain.objects.filter(pk=shop.pk).update(mta_sts=PolicyCheck(PolicyEffect.TESTING).as_json())
    assert not [each for each in receiving_setup_services.check_setup() if each.what == "TLS"]
