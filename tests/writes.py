"""A valid request for each view that writes, and the one line that it leaves in the change log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.api_keys.services import create_api_key
from accounts.invitations.services import invite
from accounts.models.people import Customer, MemberRole, User
from domains.deletion import services as deletion_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership.core import ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.settings import services as settings_services
from domains.sharing.services import create as create_link
from inbound_admin.lib import aws
from notifications.alerts import services as alerts_services
from notifications.models.webhooks import Delivery, DeliveryState
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.domain_actions.core import Named
from operations.domain_actions.selectors import Predicted, predicted
from operations.domain_removal import services as domain_removal_services
from operations.legacy_import import services as legacy_import_services
from operations.migration_steps import services as migration_steps_services
from operations.models import Batch, MigrationItem
from operations.tenant_migration import services as tenant_migration_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.expectations import Expected
from receipt_rules.models.runs import RollbackHold, Run, RunState, Snapshot
from receipt_rules.permissions import services as permissions_services
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import Asked
from receipt_rules.simulator import services as simulator_services
from tenants.models.tenants import Tenant
from tests.accounts.inviting import mailed_token
from tests.domains.making import set_up_domain
from tests.factories import make_customer, make_member
from tests.notifications.making import make_delivery, make_target, raise_for
from tests.operations.legacy import document, files
from tests.operations.making import make_difference, make_sender, start
from tests.receipt_rules.making import (
    approve_and_run,
    foreign_rule,
    make_address,
    make_endpoint,
    make_mail,
    make_operator,
    make_verified,
    set_up_receiving,
)
from tests.tenants.making import make_tenant

PAUSE = {"reason": "spam", "text": "Forty reports.", "told": "Please clean your list.", "review_on": ""}
WHY = {"because": "The next person will ask."}


@dataclass(frozen=True)
class World:
    sandbox: Any
    customer: Customer
    people: dict[str, User]

    @property
    def alice(self) -> User:
        return self.people["alice"]


@dataclass(frozen=True)
class Post:
    """`worker` does its part after it, before the log is read."""

    args: tuple[Any, ...] = ()
    form: dict[str, Any] = field(default_factory=dict)
    worker: Callable[[], object] = lambda: None
    query: str = ""


@dataclass(frozen=True)
class Write:
    """By `who`, to the view of that name; `what` is their one line. `also`: lines of the worker that follow by rule.

    `beside`: further lines of theirs, where it is an approval before Amazon is called, or one press is two decisions.
    """

    name: str
    what: str
    who: str
    of: Callable[[World], Post]
    also: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.what}"


def _ready(world: World, **fields: Any) -> Domain:
    return make_verified("shop.com", customer=world.customer, **fields)


def _settings(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    form = {"mail_from_label": domain.mail_from_label, "on_mx_failure": "UseDefaultValue", "dkim_signing": "on"}
    return Post((domain.pk,), form, lambda: settings_services.apply(domain_id=domain.pk))


def _unsigned(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    form = {"mail_from_label": domain.mail_from_label, "on_mx_failure": "UseDefaultValue"}
    return Post(
        (domain.pk,),
        form | {"wants_dmarc": "on", "wants_apex_spf": "on"},
        lambda: settings_services.apply(domain_id=domain.pk),
    )


def _new_keys(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    return Post((domain.pk,), {"keys-because": "It leaked."}, lambda: settings_services.apply(domain_id=domain.pk))


def _delete_with_all(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    set_up_receiving(world.people["olga"])

    def worker() -> None:
        domain_removal_services.work()
        deletion_services.carry_out(domain_id=domain.pk)

    return Post((domain.pk,), {"name": "shop.com"}, worker)


def _share_revoke(world: World) -> Post:
    domain = _ready(world)
    return Post((domain.pk, create_link(domain=domain, actor=world.alice).pk))


def _support(do: str, **fields: str) -> Callable[[World], Post]:
    """On the support page of a domain that is set up; what must be there before is made."""

    def of(world: World) -> Post:
        domain, olga = _ready(world), world.people["olga"]
        if do == "release":
            overrides_services.hold(domain=domain, because="Abuse", actor=olga)
        if do == "end_override":
            until = timezone.now() + timedelta(days=1)
            overrides_services.override_state(domain=domain, state="wrong", because="x", until=until, actor=olga)
        if do == "expect_no_more":
            overrides_services.expect_record(domain=domain, key="dmarc", value="", because="x", actor=olga)
        if do == "approve":
            Domain.objects.update(stage=Stage.STARTING)
            ownership_claims_services.require_proof(Domain.objects.get(), ClaimReason.RELATED)
        return Post((domain.pk,), {"do": do, **{f"{do}-{name}": value for name, value in fields.items()}})

    return of


def _transfer(world: World) -> Post:
    form = {"do": "transfer", "transfer-customer": make_customer("Bob").pk, "transfer-because": "Sold"}
    return Post((_ready(world).pk,), form)


def _until() -> str:
    return f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}"


def _inbound(**form: str) -> Callable[[World], Post]:
    return lambda world: Post((_ready(world).pk,), form)


def _address(**form: str) -> Callable[[World], Post]:
    return lambda world: Post((make_address("billing@shop.com", _ready(world)).pk,), form)


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


def _many(world: World) -> Post:
    _ready(world)
    return Post(form={"text": "billing@shop.com", "confirm": "1"})


def _adopt_rules(_: World) -> Post:
    foreign_rule("theirs", ["x@elsewhere.com"], rule_set="somebodys", create_set=True)
    return Post(form={"do": "adopt", "name": "somebodys", **WHY})


def _rules_differ(do: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        set_up_receiving(world.people["olga"])
        foreign_rule("of-somebody", ["x@elsewhere.com"], rule_set="inbound-mail")
        (found,) = drift_services.check_drift()
        return Post(form={"do": do, "key": found.key, **WHY})

    return of


def _plan(world: World) -> Post:
    make_address("billing@shop.com", _ready(world))
    return Post(form={"digest": planner_services.plan().digest, "typed": "", **WHY}, worker=auto_apply_services.work)


def _cancel(world: World) -> Post:
    make_address("billing@shop.com", _ready(world))
    made = planner_services.approve(digest=planner_services.plan().digest, because="x", actor=world.people["olga"])
    return Post((made.pk,), worker=auto_apply_services.work)


def _confirm(world: World) -> Post:
    make_address("billing@shop.com", _ready(world))
    other = make_operator()
    made = planner_services.approve(digest=planner_services.plan().digest, because="x", actor=other)
    Run.objects.filter(pk=made.pk).update(state=RunState.PROPOSED)
    return Post((made.pk,))


def _release(world: World) -> Post:
    olga = set_up_receiving(world.people["olga"])
    make_address("billing@shop.com", _ready(world))
    approve_and_run(olga)
    first = Snapshot.objects.earliest("at")
    approve_and_run(olga, Asked(snapshot=first.pk), typed="inbound-mail")
    return Post(form={"do": "release", "hold": RollbackHold.objects.get().pk, **WHY})


def _old_set(world: World) -> Post:
    make_address("billing@shop.com", _ready(world))
    olga = set_up_receiving(world.people["olga"])
    Address.objects.all().delete()
    approve_and_run(olga, Asked(method=Method.BLUE_GREEN), typed="inbound-mail")
    sets = {each["Name"] for each in aws.client("ses").list_receipt_rule_sets()["RuleSets"]}
    active = aws.client("ses").describe_active_receipt_rule_set()["Metadata"]["Name"]
    return Post(form={"name": (sets - {active}).pop()})


def _stop_expecting(world: World) -> Post:
    _ready(world)
    row = simulator_services.expect(text="x@shop.com", expected=Expected.NOT_TAKEN, actor=world.people["olga"])
    return Post(form={"do": "stop", "expectation": row.pk})


def _member(**form: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        member = make_member(world.customer, role=MemberRole.MEMBER)
        return Post((world.customer.pk, member.memberships.get().pk), form)

    return of


def _invited(world: World, email: str = "carol@alice.com") -> Any:
    site = "http://testserver/"
    return invite(customer=world.customer, email=email, role=MemberRole.MEMBER, actor=world.alice, site_url=site)


def _invitation(do: str) -> Callable[[World], Post]:
    return lambda world: Post((world.customer.pk, _invited(world).invitation.pk), {"do": do})


def _accept(world: World) -> Post:
    return Post((mailed_token(_invited(world, world.people["olga"].email).invitation),))


def _paused(world: World) -> Tenant:
    off = {"is_paused": True, "standing": "paused", "staff_status": "DISABLED", "aggregate": "DISABLED"}
    return make_tenant(world.customer, **off, pause_reason="spam", pause_text="Reports.")


def _tenant(**form: str) -> Callable[[World], Post]:
    return lambda world: Post((make_tenant(world.customer).pk,), form)


def _delete_tenant(world: World) -> Post:
    tenant = make_tenant(world.customer)
    return Post((tenant.pk,), {"name": tenant.name})


def _steer(do: str, **form: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        customer, olga = make_sender(domains=1), world.people["olga"]
        migration = start(customer, actor=olga)
        if do == "pause":
            return Post((migration.pk,), {"do": do})
        if do == "resume":
            tenant_migration_services.pause(migration=migration, actor=olga)
        if do == "roll_back":
            migration_steps_services.work()
        if do == "retry":
            MigrationItem.objects.update(state="failed")
        return Post((migration.pk,), {"do": do, **form})

    return of


def _steer_item(do: str, **form: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        post = _steer(do, **form)(world)
        return Post((*post.args, MigrationItem.objects.get().pk), post.form)

    return of


def _start_migration(world: World) -> Post:
    choice = tenant_migration_services.one(make_sender(domains=1))
    return Post(
        (tenant_migration_services.plan_migration(choice=choice, actor=world.people["olga"]).pk,), {"do": "start"}
    )


def _moved_in(world: World, *, looked: bool = True) -> Any:
    taken = legacy_import_services.take_in(files=files(document()), because="Contract 12", actor=world.people["olga"])
    if looked:
        legacy_import_services.work()
    return taken


def _difference(decision: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        tenant = make_tenant(world.customer, ses_policy="none")
        sides = {"found": {"policy": "none"}, "wanted": {"policy": "standard"}}
        row = make_difference(world.customer, subject=tenant.name, place=tenant.name, **sides)
        return Post((row.pk,), {"decision": decision, **WHY})

    return of


def _decide_many(world: World) -> Post:
    row = make_difference(world.customer)
    form = {"difference": row.pk, "decision": "ignore", "typed": 1, **WHY}
    return Post(form=form, worker=batches_services.work)


def _bulk(world: World) -> Post:
    _ready(world)
    return Post(form={"do": "hold", "names": "shop.com", "go": "yes", **WHY}, worker=batches_services.work)


def _held(rows: tuple[Predicted, ...], sam: User) -> Batch:
    items = domain_actions_services.items_of(rows)
    return batches_services.start(kind=BatchKind.HOLD, items=items, words=WHY, actor=sam)


def _stop_bulk(world: World) -> Post:
    _ready(world)
    sam = world.people["sam"]
    rows = predicted(BatchKind.HOLD, (Named("shop.com"),), viewer=sam)
    return Post((_held(rows, sam).pk,))


def _resume_bulk(world: World) -> Post:
    post = _stop_bulk(world)
    Batch.objects.update(paused_at=timezone.now())
    return post


def _retry_bulk(world: World) -> Post:
    domain, sam = _ready(world), world.people["sam"]
    rows = predicted(BatchKind.HOLD, (Named("shop.com"),), viewer=sam)
    made = _held(rows, sam)
    made.items.update(state="refused")
    assert not domain.is_held
    return Post((made.pk,), worker=batches_services.work)


def _retry_batch(world: World) -> Post:
    words = {**PAUSE, "review_on": ""}
    batch = Batch.objects.create(kind="pause", words=words, by=world.people["tess"])
    batch.items.create(number=1, tenant=make_tenant(world.customer), name="t", state="refused", problem="No.")
    return Post((batch.pk,))


def _webhook(**form: Any) -> Callable[[World], Post]:
    return lambda world: Post((make_target(customer_id=world.customer.pk).pk,), form)


def _delivery(world: World) -> Post:
    delivery = make_delivery(world.customer.pk)
    Delivery.objects.update(state=DeliveryState.DELIVERED)
    return Post((delivery.pk,))


def _alert(do: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        alert = raise_for(world.customer.pk)
        if do == "unmute":
            alerts_services.mute(alert=alert, until=timezone.now() + timedelta(days=1), actor=world.alice)
        return Post((alert.pk,), {"do": do, "days": "7"})

    return of


def _let_in(name: str) -> Callable[[World], Post]:
    """The digest is that of what is shown to whoever presses."""

    def of(world: World) -> Post:
        make_address("billing@shop.com", _ready(world))
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
    Write("domains:add", "domain.added", "alice", lambda _: Post(form={"name": "new.com", "confirm": "1"})),
    Write(
        "domains:verified_notice",
        "domain.verified_notice",
        "alice",
        lambda w: Post((_ready(w, verified_at=None).pk,), {"tell": "on"}),
    ),
    Write(
        "domains:mail_records",
        "domain.records_mailed",
        "alice",
        lambda w: Post((_ready(w).pk,), {"to": "d@example.com"}),
    ),
    Write("domains:share", "domain.share_created", "alice", lambda w: Post((_ready(w).pk,), {"days": "7"})),
    Write("domains:share_revoke", "domain.share_revoked", "alice", _share_revoke),
    Write("domains:settings", "domain.recommended", "alice", _settings),
    Write("domains:settings", "domain.dkim_signing", "alice", _unsigned),
    Write("domains:new_keys", "domain.new_dkim", "alice", _new_keys),
    Write("domains:start_again", "domain.started_again", "sam", lambda w: Post((_ready(w).pk,))),
    Write("operations:delete_domain", "domain.deleted", "alice", _delete_with_all),
    Write("domains:support", "domain.held", "sam", _support("hold", because="Abuse")),
    Write("domains:support", "domain.released", "sam", _support("release")),
    Write("domains:support", "domain.claim_approved", "sam", _support("approve", because="I know them")),
    Write(
        "domains:support",
        "domain.transferred",
        "sam",
        _transfer,
        also=("domain.moved_in", "domain.moved_out"),
    ),
    Write("domains:support", "domain.note", "sam", _support("note", note="Calls on Mondays")),
    Write(
        "domains:support",
        "domain.state_overridden",
        "olga",
        _support("override", state="verified", until=_until(), because="x"),
    ),
    Write("domains:support", "domain.override_ended", "olga", _support("end_override")),
    Write("domains:support", "domain.expectation", "sam", _support("expect", key="dmarc", because="x")),
    Write("domains:support", "domain.expectation", "sam", _support("expect_no_more", key="dmarc")),
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
    Write("receipt_rules:rules", "rules.adopted", "olga", _adopt_rules),
    Write("receipt_rules:rules", "rules.accepted", "olga", _rules_differ("accept")),
    Write("receipt_rules:rules", "rules.ignored", "olga", _rules_differ("ignore")),
    Write("receipt_rules:plan", "rules.applied", "olga", _plan),
    Write("receipt_rules:cancel", "rules.cancelled", "olga", _cancel),
    Write("receipt_rules:confirm", "rules.confirmed", "olga", _confirm),
    Write("receipt_rules:plan", "rules.hold_released", "olga", _release),
    Write("receipt_rules:check", "rules.set_deleted", "olga", _old_set),
    Write(
        "receipt_rules:bucket_policy",
        "receiving.policy_put",
        "olga",
        _let_in("bucket"),
        beside=("receiving.policy_approved",),
    ),
    Write(
        "receipt_rules:function_permission",
        "receiving.permission_added",
        "olga",
        _let_in("function"),
        beside=("receiving.permission_approved",),
    ),
    Write(
        "receipt_rules:simulator",
        "expectation.saved",
        "olga",
        lambda w: Post(form={"do": "expect", "address": f"x@{_ready(w).name}", "expected": "not_taken"}),
    ),
    Write("receipt_rules:simulator", "expectation.removed", "olga", _stop_expecting),
    Write("customers:create", "customer.created", "sam", lambda _: Post(form={"name": "Acme"}), also=("tenant.added",)),
    Write(
        "accounts:account",
        "person.account_changed",
        "alice",
        lambda _: Post(form={"name": "Al", "theme": "dark", "density": "compact"}),
    ),
    Write("accounts:theme", "person.account_changed", "alice", lambda _: Post(form={"theme": "dark"})),
    Write(
        "accounts:keys",
        "api_key.created",
        "alice",
        lambda _: Post(form={"name": "Billing", "scopes": ["read"], "days": "90", "once": "a"}),
    ),
    Write(
        "accounts:revoke_key",
        "api_key.revoked",
        "alice",
        lambda w: Post((create_api_key(user=w.alice, name="x", scopes=("read",), actor=w.alice).key.pk,)),
    ),
    Write("customers:rename", "customer.renamed", "alice", lambda w: Post((w.customer.pk,), {"name": "Alice & Sons"})),
    Write(
        "customers:invite",
        "member.invited",
        "alice",
        lambda w: Post((w.customer.pk,), {"email": "carol@alice.com", "role": "member"}),
    ),
    Write("customers:invitation", "invitation.revoked", "alice", _invitation("revoke")),
    Write("customers:invitation", "member.invited", "alice", _invitation("resend")),
    Write("accounts:accept", "member.joined", "olga", _accept),
    Write("customers:member", "member.role_changed", "alice", _member(do="role", role="owner")),
    Write("customers:member", "member.removed", "alice", _member(do="remove")),
    Write(
        "tenants:create",
        "tenant.added",
        "olga",
        lambda w: Post(form={"customer": w.customer.pk, "policy": "strict"}),
    ),
    Write("tenants:policy", "tenant.policy", "olga", _tenant(policy="strict", because="x")),
    Write(
        "tenants:keep",
        "tenant.pause_kept",
        "tess",
        lambda w: Post((_paused(w).pk,), {"because": "x", "review_on": "2090-01-01"}),
    ),
    Write("tenants:delete", "tenant.delete_asked", "olga", _delete_tenant),
    Write("operations:pause", "tenant.pause_asked", "tess", _tenant(**PAUSE, step="pause")),
    Write("operations:resume", "tenant.resume_asked", "tess", lambda w: Post((_paused(w).pk,), {"because": "x"})),
    Write(
        "operations:pause_many",
        "tenant.pause_asked",
        "tess",
        lambda w: Post(form={**PAUSE, "do": "pause", "tenant": [make_tenant(w.customer).pk]}),
    ),
    Write("operations:retry_batch", "tenant.pause_asked", "tess", _retry_batch),
    Write("operations:start_bulk", "domain.held", "sam", _bulk),
    Write("operations:retry_bulk", "domain.held", "sam", _retry_bulk),
    Write("operations:stop_bulk", "bulk.stopped", "sam", _stop_bulk),
    Write("operations:pause_bulk", "bulk.paused", "sam", _stop_bulk),
    Write("operations:resume_bulk", "bulk.resumed", "sam", _resume_bulk),
    Write(
        "operations:plan_migration",
        "migration.planned",
        "olga",
        lambda _: (make_sender(domains=1), Post(form={"chosen": "all", "policy": "standard", **WHY}))[1],
    ),
    Write("operations:steer_migration", "migration.started", "olga", _start_migration),
    Write("operations:steer_migration", "migration.paused", "olga", _steer("pause")),
    Write("operations:steer_migration", "migration.resumed", "olga", _steer("resume")),
    Write("operations:steer_migration", "migration.cancelled", "olga", _steer("cancel")),
    Write("operations:steer_migration", "migration.tried_again", "olga", _steer("retry")),
    Write("operations:steer_migration", "migration.rolled_back", "olga", _steer("roll_back", **WHY)),
    Write("operations:migration_item", "migration.tried_again", "olga", _steer_item("retry")),
    Write("operations:migration_item", "migration.rolled_back", "olga", _steer_item("roll_back", **WHY)),
    Write(
        "operations:move",
        "migration.started",
        "olga",
        lambda _: Post((make_sender(domains=1).pk,), {"policy": "standard", **WHY}),
        beside=("migration.planned",),
    ),
    Write("operations:difference", "drift.adopted", "olga", _difference("adopt"), beside=("tenant.policy",)),
    Write("operations:difference", "drift.restored", "olga", _difference("restore"), beside=("tenant.policy",)),
    Write("operations:difference", "drift.ignored", "olga", _difference("ignore")),
    Write("operations:decide_many", "drift.ignored", "olga", _decide_many),
    Write(
        "operations:moving_in",
        "moving_in.taken_in",
        "olga",
        lambda _: Post(
            form={
                "documents": [SimpleUploadedFile("old.json", files(document())["old.json"], "application/json")],
                **WHY,
            }
        ),
    ),
    Write(
        "operations:adopt_identities",
        "moving_in.taken_in",
        "olga",
        lambda w: Post(form={"text": "shop.com", "customer": w.customer.pk, **WHY}),
    ),
    Write("operations:steer_moving_in", "moving_in.begun", "olga", lambda w: Post((_moved_in(w).pk,), {"do": "begin"})),
    Write(
        "operations:steer_moving_in",
        "moving_in.cancelled",
        "olga",
        lambda w: Post((_moved_in(w).pk,), {"do": "cancel"}),
    ),
    Write(
        "notifications:preferences",
        "notifications.changed",
        "alice",
        lambda _: Post(form={"by_mail": "digest", "digest_at": "07:30", "wanted": ["domain.at_risk"]}),
    ),
    Write(
        "notifications:add_webhook",
        "webhook.added",
        "alice",
        lambda w: Post(
            form={
                "owner": w.customer.pk,
                "name": "Ours",
                "url": "https://example.com/x",
                "form": "standard",
                "target_id": "whk_" + "0" * 20,
            }
        ),
    ),
    Write(
        "notifications:webhook", "webhook.changed", "alice", _webhook(name="T", url="https://example.org/", is_on="on")
    ),
    Write("notifications:new_secret", "webhook.new_secret", "alice", _webhook()),
    Write("notifications:test_webhook", "webhook.tested", "alice", _webhook()),
    Write("notifications:remove_webhook", "webhook.removed", "alice", _webhook()),
    Write("notifications:delivery", "webhook.delivered_again", "alice", _delivery),
    Write("notifications:alert", "alert.acknowledged", "alice", _alert("acknowledge")),
    Write("notifications:alert", "alert.muted", "alice", _alert("mute")),
    Write("notifications:alert", "alert.unmuted", "alice", _alert("unmute")),
)
