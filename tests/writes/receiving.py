"""Writes to addresses, endpoints, rules and permissions for SES."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from inbound_admin.lib import aws
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.expectations import Expected
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import RollbackHold, Run, RunState, Snapshot
from receipt_rules.permissions import services as permissions_services
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import PlanRequest
from receipt_rules.simulator import services as simulator_services
from tests.receipt_rules.factories import (
    approve_and_run,
    make_address,
    make_endpoint,
    make_mail,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    set_up_receiving,
)
from tests.writes.world import WHY, Post, World, Write, ready


def _inbound(**form: str) -> Callable[[World], Post]:
    return lambda world: Post((ready(world).pk,), form)


def _address(**form: str) -> Callable[[World], Post]:
    return lambda world: Post((make_address("billing@shop.com", ready(world)).pk,), form)


def _forwarding(world: World) -> Post:
    config = {"address": "someone@else.example"}
    return Post((make_endpoint(world.customer, type="email", config=config).pk,), {"do": "ask"})


def _endpoint(**form: str) -> Callable[[World], Post]:
    return lambda world: Post((make_endpoint(world.customer).pk,), form)


def _probe(world: World) -> Post:
    make_verified("shop.com", customer=world.customer)
    return Post(form={"recipient": "a@shop.com"})


def _received(world: World) -> Post:
    endpoint = make_endpoint(world.customer)
    make_address("a@shop.com", make_verified("shop.com", customer=world.customer), endpoint=endpoint)
    return Post((make_mail(endpoint).pk,))


def _undecided(world: World) -> Post:
    make_address(
        "a@shop.com", make_verified("shop.com", customer=world.customer), endpoint=make_endpoint(world.customer)
    )
    now = timezone.now()
    known = {
        "recipient": "a@shop.com",
        "outcome": "unrouted",
        "received_at": now - timedelta(hours=1),
        "reported_at": now,
    }
    mail = ReceivedMail.objects.create(message_id="m", **known)
    return Post((mail.pk,), {"customer": world.customer.pk, **WHY})


def _many(world: World) -> Post:
    ready(world)
    return Post(form={"text": "billing@shop.com", "confirm": "1"})


def _adopt_rules(_: World) -> Post:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], rule_set="somebodys", create_set=True)
    return Post(form={"do": "adopt", "name": "somebodys", **WHY})


def _drift_decision(do: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        set_up_receiving(world.people["olga"])
        make_unmanaged_rule("of-somebody", ["x@elsewhere.com"], rule_set="inbound-mail")
        (found,) = drift_services.check_drift()
        return Post(form={"do": do, "key": found.key, **WHY})

    return of


def _plan(world: World) -> Post:
    make_address("billing@shop.com", ready(world))
    return Post(
        form={"digest": planner_services.plan_changes().digest, "typed": "", **WHY}, worker=auto_apply_services.work
    )


def _cancel(world: World) -> Post:
    make_address("billing@shop.com", ready(world))
    made = planner_services.approve(
        digest=planner_services.plan_changes().digest, because="x", actor=world.people["olga"]
    )
    return Post((made.pk,), worker=auto_apply_services.work)


def _confirm(world: World) -> Post:
    make_address("billing@shop.com", ready(world))
    other = make_operator()
    made = planner_services.approve(digest=planner_services.plan_changes().digest, because="x", actor=other)
    Run.objects.filter(pk=made.pk).update(state=RunState.PROPOSED)
    return Post((made.pk,))


def _release(world: World) -> Post:
    olga = set_up_receiving(world.people["olga"])
    make_address("billing@shop.com", ready(world))
    approve_and_run(olga)
    first = Snapshot.objects.earliest("at")
    approve_and_run(olga, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    return Post(form={"do": "release", "hold": RollbackHold.objects.get().pk, **WHY})


def _old_set(world: World) -> Post:
    make_address("billing@shop.com", ready(world))
    olga = set_up_receiving(world.people["olga"])
    Address.objects.all().delete()
    approve_and_run(olga, PlanRequest(method=Method.BLUE_GREEN), typed="inbound-mail")
    sets = {each["Name"] for each in aws.client("ses").list_receipt_rule_sets()["RuleSets"]}
    active = aws.client("ses").describe_active_receipt_rule_set()["Metadata"]["Name"]
    return Post(form={"name": (sets - {active}).pop()})


def _remove_expectation(world: World) -> Post:
    ready(world)
    row = simulator_services.save_expectation(
        text="x@shop.com", expected=Expected.NOT_TAKEN, actor=world.people["olga"]
    )
    return Post(form={"do": "stop", "expectation": row.pk})


def _grant_permission(name: str) -> Callable[[World], Post]:
    """Grant SES the permission, with the digest that the page shows."""

    def of(world: World) -> Post:
        make_address("billing@shop.com", ready(world))
        set_up_receiving(world.people["olga"])
        if name == "bucket":
            aws.client("s3").delete_bucket_policy(Bucket="inbound-mail")
            return Post(
                form={"digest": permissions_services.policy_preview("inbound-mail").digest},
                query="?bucket=inbound-mail",
            )
        (arn,) = permissions_services.functions()
        aws.client("lambda").remove_permission(FunctionName=arn, StatementId="ses")
        return Post(form={"digest": permissions_services.permission_preview(arn).digest}, query=f"?function={arn}")

    return of


WRITES = (
    Write(
        "receipt_rules:domain", "address.added", "alice", _inbound(**{"do": "address", "address-address": "billing"})
    ),
    Write(
        "receipt_rules:domain",
        "catch_all.added",
        "alice",
        _inbound(**{"do": "everything", "everything-is_active": "on"}),
    ),
    Write("receipt_rules:send_only", "domain.receives", "alice", _inbound(do="send_only")),
    Write("receipt_rules:add_many", "address.added", "alice", _many),
    Write("receipt_rules:address", "address.changed", "alice", _address(do="off")),
    Write("receipt_rules:address", "address.changed", "alice", _address(do="save")),
    Write("receipt_rules:address", "address.removed", "alice", _address(do="remove")),
    Write(
        "receipt_rules:add_endpoint",
        "endpoint.added",
        "alice",
        lambda _: Post(form={"name": "Desk", "type": "webhook", "url": "https://hooks.home.com/"}),
    ),
    Write(
        "receipt_rules:endpoint",
        "endpoint.changed",
        "alice",
        _endpoint(do="save", name="Desk", url="https://hooks.home.com/", is_active="on"),
    ),
    Write(
        "receipt_rules:endpoint", "endpoint.changed", "olga", _endpoint(**{"do": "ses", "ses-s3_bucket": "her-bucket"})
    ),
    Write("receipt_rules:endpoint", "endpoint.removed", "alice", _endpoint(do="remove")),
    Write("receipt_rules:endpoint", "forwarding.asked", "alice", _forwarding),
    Write("receipt_rules:signing_secret", "endpoint.changed", "alice", _endpoint()),
    Write("receipt_rules:probes", "probe.sent", "alice", _probe),
    Write("receipt_rules:probe_schedule", "probe.scheduled", "alice", _inbound(pace="daily")),
    Write("receipt_rules:received_message", "received_mail.again", "alice", _received),
    Write(
        "receipt_rules:received_message",
        "received_mail.decided",
        "sam",
        _undecided,
        beside=("received_mail.again",),
    ),
    Write("receipt_rules:rules", "rules.adopted", "olga", _adopt_rules),
    Write("receipt_rules:rules", "rules.accepted", "olga", _drift_decision("accept")),
    Write("receipt_rules:rules", "rules.ignored", "olga", _drift_decision("ignore")),
    Write("receipt_rules:plan", "rules.applied", "olga", _plan),
    Write("receipt_rules:cancel", "rules.cancelled", "olga", _cancel),
    Write("receipt_rules:confirm", "rules.confirmed", "olga", _confirm),
    Write("receipt_rules:plan", "rules.hold_released", "olga", _release),
    Write("receipt_rules:check", "rules.set_deleted", "olga", _old_set),
    Write(
        "receipt_rules:bucket_policy",
        "receiving.policy_put",
        "olga",
        _grant_permission("bucket"),
        beside=("receiving.policy_approved",),
    ),
    Write(
        "receipt_rules:function_permission",
        "receiving.permission_added",
        "olga",
        _grant_permission("function"),
        beside=("receiving.permission_approved",),
    ),
    Write(
        "receipt_rules:simulator",
        "expectation.saved",
        "olga",
        lambda w: Post(form={"do": "expect", "address": f"x@{ready(w).name}", "expected": "not_taken"}),
    ),
    Write("receipt_rules:simulator", "expectation.removed", "olga", _remove_expectation),
)
