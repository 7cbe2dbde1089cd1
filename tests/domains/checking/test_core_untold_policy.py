"""If the lookup of the parent's DMARC policy failed, a missing DMARC record is unknown, never absent."""

from dataclasses import replace

from domains.checking.core.comparison import Verdict, compare
from domains.dns.core import Answer, LookupStatus, question_for
from domains.policies.core import PublishedPolicies
from domains.records.core import records_for
from tests.domains.dns_host import facts_of


def test_an_absent_record_is_unknown_when_the_parent_policy_is_unknown() -> None:
    own = PublishedPolicies(dmarc={"_dmarc.example.com": ("v=DMARC1; p=none",)})
    facts = replace(facts_of(), policies=own)
    record = next(record for record in records_for(facts) if record.key == "dmarc")
    assert (record.withheld, record.is_inherited_known) == ("", False)
    absent = Answer(question_for(record), "ns2", LookupStatus.NO_NAME)
    assert compare(record, absent).verdict is Verdict.UNKNOWN
