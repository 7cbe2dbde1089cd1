"""Who may open which page: every URL of the product has a row here, and a new one without a row fails."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.api_keys.services import create_api_key
from accounts.members.services import invite
from accounts.models.people import Customer, MemberRole, User
from accounts.roles import Role
from domains.models.domains import Domain
from domains.sharing.services import create as create_link
from operations.models import Batch, LegacyImport
from receipt_rules.models.runs import Run, RunKind
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.notifications.factories import make_delivery, make_target, raise_for
from tests.operations.factories import make_difference, make_item
from tests.receipt_rules.factories import make_address, make_endpoint, make_mail, make_probe
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db

PEOPLE = ("anonymous", "alice", "bob", "sam", "olga", "tess", "adam")
LOGIN, OK, NONE, NO, MOVED, BAD_METHOD = "sign in", "200", "404", "403", "302", "405"

# Alice owns the domain and the customer; Bob is another customer's; Sam supports, Olga operates, Tess is trust and
# safety, Adam is admin. Each row: what GET answers to each of them, in the order of PEOPLE.
EVERYBODY = (LOGIN, OK, OK, OK, OK, OK, OK)
ALICES = (LOGIN, OK, NONE, OK, OK, OK, OK)
ALICES_POST = (LOGIN, *[MOVED] * 6)  # a GET leads to the page that has the button
STAFF_ONLY = (LOGIN, NO, NONE, OK, OK, OK, OK)
STAFFS = (LOGIN, NO, NO, OK, OK, OK, OK)  # of everybody's receipt rules at once
OF_STAFF = (LOGIN, NONE, NONE, OK, OK, OK, OK)  # for a customer there is none
PAUSERS = (LOGIN, NONE, NONE, NO, NO, OK, OK)
TABLE: dict[str, tuple[str, ...]] = {
    "home": (LOGIN, *[MOVED] * 6),
    "healthz": ("503",) * 7,  # no worker runs in this test; open to all
    "readyz": (OK,) * 7,
    "metrics": (NONE,) * 7,  # no token is set
    "domains:list": EVERYBODY,
    "domains:add": EVERYBODY,
    "domains:export": EVERYBODY,
    "domains:detail": ALICES,
    "domains:check": ALICES_POST,
    "domains:diagnosis": ALICES,
    "domains:diagnosis_file": ALICES,
    "domains:codes": (OK,) * 7,
    "domains:history": ALICES,
    "domains:dns_history": ALICES,
    "domains:dns_history_file": ALICES,
    "domains:exports": ALICES,
    "domains:export_file": ALICES,
    "domains:print": ALICES,
    "domains:mail_records": ALICES,
    "domains:verified_notice": ALICES_POST,
    "domains:share": ALICES,
    "domains:share_revoke": ALICES_POST,
    "domains:shared": (NONE,) * 7,  # public, and the token is nobody's
    "domains:settings": ALICES,
    "domains:new_keys": ALICES_POST,
    "domains:start_again": ALICES_POST,
    "domains:sending": ALICES,
    "domains:support": STAFF_ONLY,
    "operations:overview": EVERYBODY,
    "operations:find": EVERYBODY,
    "operations:case": STAFF_ONLY,
    "operations:legacy_import": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:adopt_identities": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:legacy_import_rows": (LOGIN, NONE, NONE, NONE, OK, NONE, OK),
    "operations:legacy_import_outcomes": (LOGIN, NONE, NONE, NONE, OK, NONE, OK),
    "operations:steer_legacy_import": ALICES_POST,
    "operations:changes": EVERYBODY,
    "operations:export_changes": EVERYBODY,
    "operations:migrations": STAFFS,
    "operations:plan_migration": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:migration": OF_STAFF,
    "operations:steer_migration": ALICES_POST,
    "operations:migration_item": OF_STAFF,
    "operations:move": OF_STAFF,
    "operations:delete_domain": ALICES,
    "operations:differences": STAFFS,
    "operations:look": ALICES_POST,
    "operations:decide_many": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:difference": OF_STAFF,
    "operations:start_bulk": EVERYBODY,
    "operations:bulk": OF_STAFF,  # and whoever asked for it
    "operations:retry_bulk": ALICES_POST,
    "operations:stop_bulk": ALICES_POST,
    "operations:pause_bulk": ALICES_POST,
    "operations:resume_bulk": ALICES_POST,
    "operations:pause": PAUSERS,
    "operations:resume": PAUSERS,
    "operations:pause_many": (LOGIN, NO, NO, NO, NO, OK, OK),
    "operations:batch": OF_STAFF,
    "operations:retry_batch": ALICES_POST,
    "receipt_rules:home": (LOGIN, *[MOVED] * 6),
    "receipt_rules:domain": ALICES,
    "receipt_rules:send_only": ALICES,
    "receipt_rules:addresses": EVERYBODY,
    "receipt_rules:add_many": EVERYBODY,
    "receipt_rules:address": ALICES,
    "receipt_rules:endpoints": EVERYBODY,
    "receipt_rules:add_endpoint": EVERYBODY,
    "receipt_rules:endpoint": ALICES,
    "receipt_rules:signing_secret": ALICES_POST,
    "receipt_rules:probes": EVERYBODY,
    "receipt_rules:probe": ALICES,
    "receipt_rules:received": EVERYBODY,
    "receipt_rules:received_message": ALICES,
    "receipt_rules:forwarding": (NONE,) * 7,  # public, and the token is nobody's
    "receipt_rules:rules": STAFFS,
    "receipt_rules:plan": STAFFS,
    "receipt_rules:runs": STAFFS,
    "receipt_rules:run": (LOGIN, NONE, NONE, OK, OK, OK, OK),
    "receipt_rules:cancel": ALICES_POST,
    "receipt_rules:probe_schedule": ALICES_POST,
    "receipt_rules:confirm": ALICES_POST,
    "receipt_rules:states": STAFFS,
    "receipt_rules:check": STAFFS,
    "receipt_rules:bucket_policy": STAFFS,
    "receipt_rules:function_permission": STAFFS,
    "receipt_rules:simulator": EVERYBODY,  # customers their own addresses alone
    "receipt_rules:pipeline": STAFFS,
    "tenants:list": STAFFS,
    "tenants:create": (LOGIN, NO, NO, NO, OK, NO, OK),
    "tenants:export": STAFFS,
    "tenants:detail": OF_STAFF,
    "tenants:resources": OF_STAFF,
    "tenants:reputation": OF_STAFF,
    "tenants:ask_again": ALICES_POST,
    "tenants:try_now": ALICES_POST,
    "tenants:account": STAFFS,
    "tenants:events": (MOVED,) * 7,  # public: SNS posts there, and the signature counts
    "tenants:history": OF_STAFF,
    "tenants:policy": (LOGIN, NONE, NONE, NO, OK, NO, OK),
    "tenants:keep": PAUSERS,
    "tenants:delete": (LOGIN, NONE, NONE, NO, OK, NO, OK),
    "notifications:inbox": EVERYBODY,
    "notifications:alert": ALICES,
    "notifications:preferences": EVERYBODY,
    "notifications:webhooks": EVERYBODY,
    "notifications:add_webhook": EVERYBODY,
    "notifications:webhook": ALICES,
    "notifications:new_secret": ALICES_POST,
    "notifications:test_webhook": ALICES_POST,
    "notifications:remove_webhook": ALICES_POST,
    "notifications:delivery": ALICES,
    "customers:list": (LOGIN, MOVED, MOVED, OK, OK, OK, OK),
    "customers:choices": (LOGIN, OK, OK, OK, OK, OK, OK),
    "customers:create": (LOGIN, NO, NO, OK, NO, NO, OK),
    "accounts:account": EVERYBODY,
    "accounts:theme": ALICES_POST,
    "accounts:keys": EVERYBODY,
    "accounts:revoke_key": ALICES_POST,
    "accounts:accept": (NONE,) * 7,  # public, and the token is nobody's
    "customers:detail": ALICES,
    "customers:history": ALICES,
    "customers:rename": (LOGIN, OK, NONE, OK, NO, NO, OK),
    "customers:invite": ALICES_POST,
    "customers:member": (LOGIN, OK, NONE, OK, NONE, NONE, OK),
    "customers:invitation": ALICES_POST,
    "sandbox:zones": EVERYBODY,
    "sandbox:zone": ALICES,
    "sandbox:faults": EVERYBODY,
    "sandbox:tenants": EVERYBODY,
    "sandbox:mail": EVERYBODY,
    "sandbox:progress": (OK,) * 7,  # how far the demo is made, which the sign-in page shows
    "sandbox:what_to_try": (OK,) * 7,  # as the sign-ins of the demo, which the sign-in page shows
}
# Django's and allauth's pages: tested below by their rule; the API: each call by its key, in the tests of its app.
NOT_OURS = ("admin:", "account_", "mfa_", "socialaccount_", "api-1.0.0:")


@dataclass(frozen=True)
class World:
    people: dict[str, User | None]
    customer: Customer
    domain: Domain


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    customer = make_customer("Alice Ltd")
    alice = make_member(customer)
    roles = {"sam": Role.SUPPORT, "olga": Role.OPERATOR, "tess": Role.TRUST_AND_SAFETY, "adam": Role.ADMIN}
    people: dict[str, User | None] = {"anonymous": None, "alice": alice, "bob": make_member()}
    invite(customer=customer, email="carol@alice.com", role=MemberRole.MEMBER, actor=alice, site_url="https://here")
    return World(
        people | {name: make_staff(role) for name, role in roles.items()}, customer, make_domain(customer=customer)
    )


def names() -> Iterator[str]:
    """The full name of every URL pattern of the project."""
    yield from _names(get_resolver().url_patterns, "")


def _names(patterns: list[URLPattern | URLResolver], space: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _names(pattern.url_patterns, inner)
        elif pattern.name:
            yield f"{space}{pattern.name}"


def _converters(name: str) -> tuple[str, ...]:
    """The arguments that the URL of this name takes."""
    *spaces, last = name.split(":")
    patterns = get_resolver().url_patterns
    for space in spaces:
        patterns = next(p for p in patterns if isinstance(p, URLResolver) and p.namespace == space).url_patterns
    pattern = next(p for p in _flat(patterns) if p.name == last)
    regex = pattern.pattern.regex
    return tuple(regex.groupindex)


def _flat(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield pattern
        elif not pattern.namespace:
            yield from _flat(pattern.url_patterns)


OURS = sorted({name for name in names() if not name.startswith(NOT_OURS)})


def test_every_url_has_a_row_and_every_row_a_url() -> None:
    assert set(OURS) == set(TABLE)


@pytest.mark.parametrize("name", OURS)
def test_who_may_open_it(name: str, world: World) -> None:
    url = reverse(name, kwargs=_arguments(name, world))
    got = tuple(_open(url, world.people[person]) for person in PEOPLE)
    assert dict(zip(PEOPLE, got, strict=True)) == dict(zip(PEOPLE, TABLE[name], strict=True))


@pytest.mark.parametrize("name", [name for name in OURS if _converters(name)])
def test_nobody_writes_to_what_is_anothers(name: str, world: World) -> None:
    url = reverse(name, kwargs=_arguments(name, world))
    assert _open(url, None, post=True) in (LOGIN, NONE)
    assert _open(url, world.people["bob"], post=True) in (NONE, BAD_METHOD)


def _open(url: str, person: User | None, *, post: bool = False) -> str:
    client = Client()
    if person:
        client.force_login(person)
    answer = client.post(url, {"do": "hold", "name": "x"}) if post else client.get(url)
    if answer.status_code == 302 and answer["Location"].startswith(reverse("account_login")):
        return LOGIN
    return str(answer.status_code)


def _run_of(_: World) -> str:
    return Run.objects.create(kind=RunKind.APPROVED, region="eu-west-1", calls=0).id


ARGUMENTS: dict[str, Callable[[World], object]] = {
    "address_id": lambda world: make_address("billing@of-the-world.example", world.domain).id,
    "endpoint_id": lambda world: make_endpoint(world.customer).id,
    "mail_id": lambda world: make_mail(make_endpoint(world.customer)).id,
    "probe_id": lambda world: make_probe(world.domain).id,
    "run_id": _run_of,
    "domain_id": lambda world: world.domain.id,
    "format_key": lambda _: "zone",
    "link_id": lambda world: create_link(domain=world.domain, actor=world.people["alice"]).id,  # type: ignore[arg-type]  # a person
    "customer_id": lambda world: world.customer.id,
    "kind": lambda _: "csv",
    "form": lambda _: "json",
    "zone": lambda world: world.domain.parsed.zone,
    "token": lambda _: "nobody-was-given-this-one",
    "tenant_id": lambda world: make_tenant(world.customer).id,
    "key_id": lambda world: create_api_key(user=world.people["alice"], name="A", scopes=["read"], actor=None).key.id,  # type: ignore[arg-type]  # a person
    "migration_id": lambda world: make_item(world.customer).migration.id,
    "item_id": lambda world: make_item(world.customer).id,
    "legacy_import_id": lambda _: (
        LegacyImport.objects.create(region="eu-west-1", name="old.json", because="Contract 12").id
    ),
    "difference_id": lambda world: make_difference(world.customer).id,
    "bulk_id": lambda _: Batch.objects.create(kind="hold").id,
    "alert_id": lambda world: raise_for(world.customer.id).pk,
    "target_id": lambda world: make_target(customer_id=world.customer.id).pk,
    "delivery_id": lambda world: make_delivery(world.customer.id).pk,
    "membership_id": lambda world: world.customer.memberships.get().pk,
    "invitation_id": lambda world: world.customer.invitations.get().pk,
}


def _arguments(name: str, world: World) -> dict[str, object]:
    return {argument: ARGUMENTS[argument](world) for argument in _converters(name)}


@pytest.mark.parametrize("name", ["admin:index", "admin:domains_domain_changelist", "admin:audit_change_changelist"])
def test_django_admin_is_for_staff_alone(name: str, world: World) -> None:
    for person in ("anonymous", "alice", "bob"):
        client = Client()
        if user := world.people[person]:
            client.force_login(user)
        assert client.get(reverse(name)).status_code == 302
    client = Client()
    client.force_login(world.people["adam"])  # type: ignore[arg-type]  # Adam is a person
    assert client.get(reverse(name)).status_code == 200
