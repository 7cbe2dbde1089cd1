"""Every operation that the product uses, through boto3, in process and over HTTP, because moto's internals may
change.
"""

from typing import Any

from tests.sandbox.conftest import ACCOUNT, REGION, Aws

V1 = set(
    "VerifyDomainIdentity VerifyDomainDkim VerifyEmailIdentity DeleteIdentity ListIdentities SetIdentityMailFromDomain"
    " SetIdentityDkimEnabled GetIdentityVerificationAttributes GetIdentityDkimAttributes"
    " GetIdentityMailFromDomainAttributes GetIdentityNotificationAttributes GetSendQuota CreateReceiptRuleSet"
    " CloneReceiptRuleSet DeleteReceiptRuleSet DescribeReceiptRuleSet DescribeActiveReceiptRuleSet ListReceiptRuleSets"
    " SetActiveReceiptRuleSet CreateReceiptRule UpdateReceiptRule DeleteReceiptRule DescribeReceiptRule"
    " SetReceiptRulePosition ReorderReceiptRuleSet CreateReceiptFilter ListReceiptFilters DeleteReceiptFilter".split()
)
V2 = set(
    "CreateEmailIdentity GetEmailIdentity ListEmailIdentities DeleteEmailIdentity PutEmailIdentityMailFromAttributes"
    " PutEmailIdentityDkimAttributes PutEmailIdentityDkimSigningAttributes PutEmailIdentityConfigurationSetAttributes"
    " TagResource UntagResource ListTagsForResource GetAccount ListRecommendations CreateTenant GetTenant DeleteTenant"
    " ListTenants PutTenantSuppressionAttributes CreateTenantResourceAssociation DeleteTenantResourceAssociation"
    " ListTenantResources ListResourceTenants GetReputationEntity ListReputationEntities UpdateReputationEntityPolicy"
    " UpdateReputationEntityCustomerManagedStatus CreateConfigurationSet GetConfigurationSet ListConfigurationSets"
    " DeleteConfigurationSet".split()
)
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:inbound-mail-handler"
IDENTITY = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.com"
RULE = {
    "Name": "mail",
    "Enabled": True,
    "TlsPolicy": "Require",
    "ScanEnabled": True,
    "Recipients": ["example.com", ".example.com", "user@example.com", "user+label@example.com"],
    "Actions": [
        {"S3Action": {"BucketName": "inbound-mail", "ObjectKeyPrefix": "mail/"}},
        {"LambdaAction": {"FunctionArn": FUNCTION, "InvocationType": "Event"}},
        {"AddHeaderAction": {"HeaderName": "X-Route", "HeaderValue": "here"}},
        {"StopAction": {"Scope": "RuleSet"}},
    ],
}


class Recorder:
    """Call operations by their wire names, and record the names."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._methods = {wire: method for method, wire in client.meta.method_to_api_mapping.items()}
        self.called: set[str] = set()

    def __call__(self, operation: str, **arguments: Any) -> Any:
        self.called.add(operation)
        answer = getattr(self._client, self._methods[operation])(**arguments)
        assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        return answer


def test_every_operation_used_by_the_product_answers(fake_aws: Aws) -> None:
    v1, v2 = Recorder(fake_aws.ses), Recorder(fake_aws.sesv2)
    _identities(v1, v2)
    _receipt_rules(v1)
    _filters(v1)
    _tenants(v2)
    _configuration_sets(v2)
    _ends(v1, v2)
    assert (v1.called, v2.called) == (V1, V2)


def _identities(v1: Recorder, v2: Recorder) -> None:
    assert v1("VerifyDomainIdentity", Domain="example.com")["VerificationToken"]
    tokens = v1("VerifyDomainDkim", Domain="example.com")["DkimTokens"]
    v1("VerifyEmailIdentity", EmailAddress="alice@example.org")
    v1("SetIdentityMailFromDomain", Identity="example.com", MailFromDomain="m.example.com")
    v1("SetIdentityDkimEnabled", Identity="example.com", DkimEnabled=True)
    parameters = {"Identities": ["example.com", "unknown.example"]}
    verification = v1("GetIdentityVerificationAttributes", **parameters)["VerificationAttributes"]
    assert verification["example.com"]["VerificationStatus"] == "Pending"
    dkim = v1("GetIdentityDkimAttributes", **parameters)["DkimAttributes"]["example.com"]
    assert dkim == {"DkimEnabled": True, "DkimVerificationStatus": "Pending", "DkimTokens": tokens}
    assert set(v1("GetIdentityMailFromDomainAttributes", **parameters)["MailFromDomainAttributes"]) == {"example.com"}
    v1("GetIdentityNotificationAttributes", Identities=["example.com"])
    assert v1("ListIdentities", IdentityType="Domain")["Identities"] == ["example.com"]
    assert v1("GetSendQuota")["Max24HourSend"]
    made = v2("CreateEmailIdentity", EmailIdentity="example.net", Tags=[{"Key": "made-by", "Value": "us"}])
    assert made["DkimAttributes"]["SigningHostedZone"] == "dkim.amazonses.com"
    _change_identity(v2)
    read = v2("GetEmailIdentity", EmailIdentity="example.net")
    assert read["MailFromAttributes"]["BehaviorOnMxFailure"] == "REJECT_MESSAGE"
    assert read["Tags"] == [{"Key": "made-by", "Value": "us"}]
    assert len(v2("ListEmailIdentities", PageSize=1000)["EmailIdentities"]) == 3


def _change_identity(v2: Recorder) -> None:
    identity = {"EmailIdentity": "example.net"}
    attributes = {"MailFromDomain": "m.example.net", "BehaviorOnMxFailure": "REJECT_MESSAGE"}
    v2("PutEmailIdentityMailFromAttributes", **identity, **attributes)
    v2("PutEmailIdentityDkimAttributes", **identity, SigningEnabled=True)
    signing = {"NextSigningKeyLength": "RSA_1024_BIT"}
    fresh = v2(
        "PutEmailIdentityDkimSigningAttributes",
        **identity,
        SigningAttributesOrigin="AWS_SES",
        SigningAttributes=signing,
    )
    assert (fresh["DkimStatus"], len(fresh["DkimTokens"])) == ("PENDING", 3)
    v2("PutEmailIdentityConfigurationSetAttributes", **identity)
    arn = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.net"
    v2("TagResource", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    assert {tag["Key"] for tag in v2("ListTagsForResource", ResourceArn=arn)["Tags"]} == {"made-by", "b"}
    v2("UntagResource", ResourceArn=arn, TagKeys=["b"])


def _receipt_rules(v1: Recorder) -> None:
    v1("CreateReceiptRuleSet", RuleSetName="mail-set")
    assert v1("DescribeActiveReceiptRuleSet") == {}
    v1("CreateReceiptRule", RuleSetName="mail-set", Rule=RULE)
    v1("CreateReceiptRule", RuleSetName="mail-set", Rule={"Name": "second"}, After="mail")
    assert v1("DescribeReceiptRule", RuleSetName="mail-set", RuleName="mail")["Rule"] == RULE
    v1("UpdateReceiptRule", RuleSetName="mail-set", Rule={**RULE, "Enabled": False})
    v1("SetReceiptRulePosition", RuleSetName="mail-set", RuleName="second")
    v1("ReorderReceiptRuleSet", RuleSetName="mail-set", RuleNames=["mail", "second"])
    names = [rule["Name"] for rule in v1("DescribeReceiptRuleSet", RuleSetName="mail-set")["Rules"]]
    assert names == ["mail", "second"]
    v1("DeleteReceiptRule", RuleSetName="mail-set", RuleName="second")
    v1("CloneReceiptRuleSet", OriginalRuleSetName="mail-set", RuleSetName="copy")
    v1("SetActiveReceiptRuleSet", RuleSetName="mail-set")
    active = v1("DescribeActiveReceiptRuleSet")
    assert (active["Metadata"]["Name"], active["Rules"]) == ("mail-set", [{**RULE, "Enabled": False}])
    v1("DeleteReceiptRuleSet", RuleSetName="copy")
    assert [one["Name"] for one in v1("ListReceiptRuleSets")["RuleSets"]] == ["mail-set"]


def _filters(v1: Recorder) -> None:
    block = {"Name": "block", "IpFilter": {"Policy": "Block", "Cidr": "192.0.2.0/24"}}
    v1("CreateReceiptFilter", Filter=block)
    assert v1("ListReceiptFilters")["Filters"] == [block]
    v1("DeleteReceiptFilter", FilterName="block")


def _tenants(v2: Recorder) -> None:
    tenant = v2("CreateTenant", TenantName="alice", Tags=[{"Key": "made-by", "Value": "us"}])
    assert v2("GetTenant", TenantName="alice")["Tenant"]["TenantArn"] == tenant["TenantArn"]
    v2("PutTenantSuppressionAttributes", TenantName="alice", SuppressionScope="TENANT", SuppressedReasons=["BOUNCE"])
    assert [one["TenantName"] for one in v2("ListTenants")["Tenants"]] == ["alice"]
    v2("CreateTenantResourceAssociation", TenantName="alice", ResourceArn=IDENTITY)
    resources = v2("ListTenantResources", TenantName="alice")["TenantResources"]
    assert resources == [{"ResourceType": "identity", "ResourceArn": IDENTITY}]
    assert v2("ListResourceTenants", ResourceArn=IDENTITY)["ResourceTenants"][0]["TenantName"] == "alice"
    entity = {"ReputationEntityType": "RESOURCE", "ReputationEntityReference": tenant["TenantArn"]}
    policy = f"arn:aws:ses:{REGION}:aws:reputation-policy/strict"
    v2("UpdateReputationEntityPolicy", **entity, ReputationEntityPolicy=policy)
    v2("UpdateReputationEntityCustomerManagedStatus", **entity, SendingStatus="DISABLED")
    read = v2("GetReputationEntity", **entity)["ReputationEntity"]
    assert (read["ReputationManagementPolicy"], read["SendingStatusAggregate"]) == (policy, "DISABLED")
    assert len(v2("ListReputationEntities", Filter={"SENDING_STATUS": "DISABLED"})["ReputationEntities"]) == 1
    assert v2("ListRecommendations", Filter={"RESOURCE_ARN": tenant["TenantArn"]})["Recommendations"] == []
    v2("DeleteTenantResourceAssociation", TenantName="alice", ResourceArn=IDENTITY)


def _configuration_sets(v2: Recorder) -> None:
    v2("CreateConfigurationSet", ConfigurationSetName="events")
    assert v2("GetConfigurationSet", ConfigurationSetName="events")["ConfigurationSetName"] == "events"
    assert v2("ListConfigurationSets")["ConfigurationSets"] == ["events"]
    v2("DeleteConfigurationSet", ConfigurationSetName="events")


def _ends(v1: Recorder, v2: Recorder) -> None:
    v2("DeleteTenant", TenantName="alice")
    v2("DeleteEmailIdentity", EmailIdentity="example.net")
    v1("DeleteIdentity", Identity="example.com")
    assert v1("ListIdentities", IdentityType="Domain")["Identities"] == []
    assert v2("GetAccount")["EnforcementStatus"] == "HEALTHY"


def test_sts_returns_the_account(fake_aws: Aws) -> None:
    assert fake_aws.client("sts").get_caller_identity()["Account"] == ACCOUNT
