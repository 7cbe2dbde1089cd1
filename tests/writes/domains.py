"""Writes to domains: settings, links, support and deletion."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from domains.deletion import services as deletion_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership.core import ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.settings import services as settings_services
from domains.sharing.services import create as create_link
from operations.domain_removal import services as domain_removal_services
from tests.domains.factories import set_up_domain
from tests.factories import make_customer
from tests.receipt_rules.factories import (
    set_up_receiving,
)
from tests.writes.world import Post, World, Write, ready


def _settings(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    form = {"mail_from_label": domain.mail_from_label, "on_mx_failure": "UseDefaultValue", "dkim_signing": "on"}
    return Post((domain.pk,), form, lambda: settings_services.apply_settings(domain_id=domain.pk))


def _unsigned(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    form = {"mail_from_label": domain.mail_from_label, "on_mx_failure": "UseDefaultValue"}
    return Post(
        (domain.pk,),
        form | {"wants_dmarc": "on", "wants_apex_spf": "on"},
        lambda: settings_services.apply_settings(domain_id=domain.pk),
    )


def _rotate_dkim(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    return Post(
        (domain.pk,), {"keys-because": "It leaked."}, lambda: settings_services.apply_settings(domain_id=domain.pk)
    )


def _delete_with_all(world: World) -> Post:
    domain = set_up_domain(world.sandbox, "shop.com", customer=world.customer)
    set_up_receiving(world.people["olga"])

    def worker() -> None:
        domain_removal_services.work()
        deletion_services.execute_deletion(domain_id=domain.pk)

    return Post((domain.pk,), {"name": "shop.com"}, worker)


def _share_revoke(world: World) -> Post:
    domain = ready(world)
    return Post((domain.pk, create_link(domain=domain, actor=world.alice).pk))


def _support(do: str, **fields: str) -> Callable[[World], Post]:
    """Post to the support page of a verified domain, after creating what the action needs."""

    def of(world: World) -> Post:
        domain, olga = ready(world), world.people["olga"]
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
    return Post((ready(world).pk,), form)


def _until() -> str:
    return f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}"


WRITES = (
    Write("domains:add", "domain.added", "alice", lambda _: Post(form={"name": "new.com", "confirm": "1"})),
    Write(
        "domains:verified_notice",
        "domain.verified_notice",
        "alice",
        lambda w: Post((ready(w, verified_at=None).pk,), {"tell": "on"}),
    ),
    Write(
        "domains:mail_records",
        "domain.records_mailed",
        "alice",
        lambda w: Post((ready(w).pk,), {"to": "d@example.com"}),
    ),
    Write("domains:share", "domain.share_created", "alice", lambda w: Post((ready(w).pk,), {"days": "7"})),
    Write("domains:share_revoke", "domain.share_revoked", "alice", _share_revoke),
    Write("domains:settings", "domain.recommended", "alice", _settings),
    Write("domains:settings", "domain.dkim_signing", "alice", _unsigned),
    Write("domains:new_keys", "domain.new_dkim", "alice", _rotate_dkim),
    Write("domains:start_again", "domain.started_again", "sam", lambda w: Post((ready(w).pk,))),
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
)
