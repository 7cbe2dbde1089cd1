"""One step of a plan is one call to Amazon; what its refusals mean for a person."""

from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsProblem, AwsUnreachable
from receipt_rules.core.steps import Create, Delete, Move, Reorder, RuleStep, Update
from receipt_rules.gateway import ses

REPAIRS = {
    "InvalidS3Configuration": "Amazon cannot write to the bucket. It must exist, and its policy must let SES put "
    "objects into it: the receiving set-up check shows the policy.",
    "InvalidLambdaFunction": "Amazon cannot call the function. It must exist in this region, and its permissions must "
    "let SES invoke it: the receiving set-up check shows how.",
    "InvalidSnsTopic": "Amazon cannot publish to the topic. It must exist in this region, and its policy must let SES "
    "publish to it.",
    "LimitExceeded": "A limit of Amazon's is reached. Compact the rules, or delete rule sets that nobody needs.",
}
MAY_SETTLE = ("InvalidS3Configuration", "InvalidLambdaFunction", "InvalidSnsTopic")  # a policy takes time to arrive
MOST_TRIES = 4


def send(step: RuleStep) -> None:
    """Raises AwsProblem."""
    match step:
        case Create():
            ses.create_rule(step.rule_set, step.new, after=step.after)
        case Update():
            ses.update_rule(step.rule_set, step.new)
        case Delete():
            ses.delete_rule(step.rule_set, step.old.name)
        case Move():
            ses.set_rule_position(step.rule_set, step.rule.name, after=step.after)
        case Reorder():
            ses.reorder_rule_set(step.rule_set, step.new)


def passes_by_itself(problem: AwsProblem) -> bool:
    """Whether to wait and ask again, for ever: Amazon throttles or is away."""
    return isinstance(problem, AwsBusy | AwsUnreachable)


def may_have_been_done(problem: AwsProblem) -> bool:
    """Whether the call may have been carried out all the same, an earlier attempt of botocore's included."""
    return not isinstance(problem, AwsBusy | AwsDenied) and problem.aws_code not in REPAIRS


def explained(problem: AwsProblem) -> str:
    return f"{problem.in_full} {REPAIRS.get(problem.aws_code, '')}".strip()
