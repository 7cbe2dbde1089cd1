"""The function that is told of mail: one function, one call. A function that does not exist is AwsMissing."""

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing
from receipt_rules.core.policies import SES


def get_function(arn: str) -> str:
    """Its state: Active, Pending, Inactive (asleep; a call wakes it) or Failed."""
    with aws.calling("lambda", f"look at the function {arn}") as functions:
        return str(functions.get_function(FunctionName=arn)["Configuration"].get("State", "Active"))


def get_policy(arn: str) -> str:
    """JSON; "" where nobody has a permission. Lambda says the same of a function that is not there: find it first."""
    try:
        with aws.calling("lambda", f"read the permissions of the function {arn}") as functions:
            return functions.get_policy(FunctionName=arn)["Policy"]
    except AwsMissing:
        return ""


def add_permission(arn: str, *, sid: str, account: str) -> None:
    """SES may invoke it for the rules of this account. A Sid that is taken is AwsConflict, also after a lost answer."""
    with aws.calling("lambda", f"let SES invoke the function {arn}") as functions:
        functions.add_permission(
            FunctionName=arn,
            StatementId=sid,
            Action="lambda:InvokeFunction",
            Principal=SES,
            SourceAccount=account,
        )
