"""Who can open each page: every URL of the product has a row here, and a new one without a row fails."""

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
from tests.notifications.factories import make_delivery, make_target, raise_alert
from tests.operations.factories import make_difference, make_item
from tests.receipt_rules.factories import make_address, make_endpoint, make_mail, make_probe, make_unmanaged_rule
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db

PEOPLE = ("anonymous", "alice", "bob", "sam", "olga", "tess", "adam")
LOGIN, OK, NONE, NO, MOVED, BAD_METHOD = "sign in", "200", "404", "403", "302", "405"

# Alice owns the domain and the customer; Bob belongs to another; Sam is support, Olga an operator, Tess trust and
# safety, Adam an admin. Each row: the response to GET for each of them, in the order of PEOPLE.
EVERYBODY = (LOGIN, OK, OK, OK, OK, OK, OK)
CUSTOMER_PAGE = (LOGIN, OK, NONE, OK, OK, OK, OK)
CUSTOMER_POST = (LOGIN, *[MOVED] * 6)  # a GET redirects to the page with the button
STAFF_ONLY = (LOGIN, NO, NONE, OK, OK, OK, OK)
STAFF_FORBIDDEN = (LOGIN, NO, NO, OK, OK, OK, OK)  # the receipt rules of all customers
STAFF_HIDDEN = (LOGIN, NONE, NONE, OK, OK, OK, OK)  # 404 for a customer
ROUTERS = (LOGIN, OK, OK, NO, OK, NO, OK)  # Bob gets a form for his own customer
PAUSERS = (LOGIN, NONE, NONE, NO, NO, OK, OK)
TABLE: dict[str, tuple[str, ...]] = {
    "home": (LOGIN, *[MOVED] * 6),
    "healthz": ("503",) * 7,  # no worker runs in this test; public
    "readyz": (OK,) * 7,
    "metrics": (NONE,) * 7,  # no token is set
    "domains:list": EVERYBODY,
    "domains:add": EVERYBODY,
    "domains:export": EVERYBODY,
    "domains:detail": CUSTOMER_PAGE,
    "domains:check": CUSTOMER_POST,
    "domains:diagnosis": CUSTOMER_PAGE,
    "domains:diagnosis_file": CUSTOMER_PAGE,
    "domains:codes": (OK,) * 7,
    "domains:history": CUSTOMER_PAGE,
    "domains:dns_history": CUSTOMER_PAGE,
    "domains:dns_history_file": CUSTOMER_PAGE,
    "domains:exports": CUSTOMER_PAGE,
    "domains:export_file": CUSTOMER_PAGE,
    "domains:print": CUSTOMER_PAGE,
    "domains:mail_records": CUSTOMER_PAGE,
    "domains:verified_notice": CUSTOMER_POST,
    "domains:share": CUSTOMER_PAGE,
    "domains:share_revoke": CUSTOMER_POST,
    "domains:shared": (NONE,) * 7,  # public, and the token is invalid
    "domains:settings": CUSTOMER_PAGE,
    "domains:new_keys": CUSTOMER_POST,
    "domains:start_again": CUSTOMER_POST,
    "domains:sending": CUSTOMER_PAGE,
    "domains:support": STAFF_ONLY,
    "operations:overview": EVERYBODY,
    "operations:find": EVERYBODY,
    "operations:case": STAFF_ONLY,
    "operations:legacy_import": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:adopt_identities": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:legacy_import_rows": (LOGIN, NONE, NONE, NONE, OK, NONE, OK),
    "operations:legacy_import_outcomes": (LOGIN, NONE, NONE, NONE, OK, NONE, OK),
    "operations:steer_legacy_import": CUSTOMER_POST,
    "operations:changes": EVERYBODY,
    "operations:export_changes": EVERYBODY,
    "operations:migrations": STAFF_FORBIDDEN,
    "operations:plan_migration": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:migration": STAFF_HIDDEN,
    "operations:steer_migration": CUSTOMER_POST,
    "operations:migration_item": STAFF_HIDDEN,
    "operations:move": STAFF_HIDDEN,
    "operations:delete_domain": CUSTOMER_PAGE,
    "operations:differences": STAFF_FORBIDDEN,
    "operations:look": CUSTOMER_POST,
    "operations:decide_many": (LOGIN, NO, NO, NO, OK, NO, OK),
    "operations:difference": STAFF_HIDDEN,
    "operations:start_bulk": EVERYBODY,
    "operations:bulk": STAFF_HIDDEN,  # and the member who requested it
    "operations:retry_bulk": CUSTOMER_POST,
    "operations:stop_bulk": CUSTOMER_POST,
    "operations:pause_bulk": CUSTOMER_POST,
    "operations:resume_bulk": CUSTOMER_POST,
    "operations:pause": PAUSERS,
    "operations:resume": PAUSERS,
    "operations:pause_many": (LOGIN, NO, NO, NO, NO, OK, OK),
    "operations:batch": STAFF_HIDDEN,
    "receipt_rules:home": (LOGIN, *[MOVED] * 6),
    "receipt_rules:domain": CUSTOMER_PAGE,
    "receipt_rules:send_only": CUSTOMER_PAGE,
    "receipt_rules:addresses": EVERYBODY,
    "receipt_rules:add_many": ROUTERS,
    "receipt_rules:address": CUSTOMER_PAGE,
    "receipt_rules:endpoints": EVERYBODY,
    "receipt_rules:add_endpoint": ROUTERS,
    "receipt_rules:endpoint": CUSTOMER_PAGE,
    "receipt_rules:signing_secret": CUSTOMER_POST,
    "receipt_rules:probes": EVERYBODY,
    "receipt_rules:probe": CUSTOMER_PAGE,
    "receipt_rules:received": EVERYBODY,
    "receipt_rules:received_message": CUSTOMER_PAGE,
    "receipt_rules:forwarding": (NONE,) * 7,  # public, and the token is invalid
    "receipt_rules:rules": STAFF_FORBIDDEN,
    "receipt_rules:rule": STAFF_FORBIDDEN,
    "receipt_rules:plan": STAFF_FORBIDDEN,
    "receipt_rules:runs": STAFF_FORBIDDEN,
    "receipt_rules:run": (LOGIN, NONE, NONE, OK, OK, OK, OK),
    "receipt_rules:cancel": CUSTOMER_POST,
    "receipt_rules:probe_schedule": CUSTOMER_POST,
    "receipt_rules:confirm": CUSTOMER_POST,
    "receipt_rules:states": STAFF_FORBIDDEN,
    "receipt_rules:check": STAFF_FORBIDDEN,
    "receipt_rules:bucket_policy": STAFF_FORBIDDEN,
    "receipt_rules:function_permission": STAFF_FORBIDDEN,
    "receipt_rules:simulator": EVERYBODY,  # customers: only their own addresses
    "receipt_rules:pipeline": STAFF_FORBIDDEN,
    "tenants:list": STAFF_FORBIDDEN,
    "tenants:create": (LOGIN, NO, NO, NO, OK, NO, OK),
    "tenants:export": STAFF_FORBIDDEN,
    "tenants:detail": STAFF_HIDDEN,
    "tenants:resources": STAFF_HIDDEN,
    "tenants:reputation": STAFF_HIDDEN,
    "tenants:ask_again": CUSTOMER_POST,
    "tenants:try_now": CUSTOMER_POST,
    "tenants:account": STAFF_FORBIDDEN,
    "tenants:events": (MOVED,) * 7,  # public: SNS posts there, and the signature counts
    "tenants:history": STAFF_HIDDEN,
    "tenants:policy": (LOGIN, NONE, NONE, NO, OK, NO, OK),
    "tenants:keep": PAUSERS,
    "tenants:delete": (LOGIN, NONE, NONE, NO, OK, NO, OK),
    "notifications:inbox": EVERYBODY,
    "notifications:alert": CUSTOMER_PAGE,
    "notifications:preferences": EVERYBODY,
    "notifications:webhooks": EVERYBODY,
    "notifications:add_webhook": EVERYBODY,
    "notifications:webhook": CUSTOMER_PAGE,
    "notifications:new_secret": CUSTOMER_POST,
    "notifications:test_webhook": CUSTOMER_POST,
    "notifications:remove_webhook": CUSTOMER_POST,
    "notifications:delivery": CUSTOMER_PAGE,
    "customers:list": (LOGIN, MOVED, MOVED, OK, OK, OK, OK),
    "customers:choices": (LOGIN, OK, OK, OK, OK, OK, OK),
    "customers:create": (LOGIN, NO, NO, OK, NO, NO, OK),
    "accounts:account": EVERYBODY,
    "accounts:theme": CUSTOMER_POST,
    "accounts:keys": EVERYBODY,
    "accounts:revoke_key": CUSTOMER_POST,
    "accounts:accept": (NONE,) * 7,  # public, and the token is invalid
    "customers:detail": CUSTOMER_PAGE,
    "customers:history": CUSTOMER_PAGE,
    "customers:rename": (LOGIN, OK, NONE, OK, NO, NO, OK),
    "customers:invite": CUSTOMER_POST,
    "customers:member": (LOGIN, OK, NONE, OK, NONE, NONE, OK),
    "customers:invitation": CUSTOMER_POST,
    "sandbox:zones": EVERYBODY,
    "sandbox:zone": CUSTOMER_PAGE,
    "sandbox:faults": EVERYBODY,
    "sandbox:tenants": EVERYBODY,
    "sandbox:mail": EVERYBODY,
    "sandbox:progress": (OK,) * 7,  # how far the demo is made, which the sign-in page shows
    "sandbox:what_to_try": (OK,) * 7,  # as the sign-ins of the demo, which the sign-in page shows
}
# Pages of Django and allauth are tested below by their rule; API calls in test_api_access.py.
THIRD_PARTY = ("admin:", "account_", "mfa_", "socialaccount_", "api-1.0.0:")


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
    """Yield the full name of every URL pattern of the project."""
    yield from _names(get_resolver().url_patterns, "")


def _names(patterns: list[URLPattern | URLResolver], space: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _names(pattern.url_patterns, inner)
        elif pattern.name:
            yield f"{space}{pattern.name}"


def _converters(name: str) -> tuple[str, ...]:
    """Return the arguments of the URL with this name."""
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


OURS = sorted({name for name in names() if not name.startswith(THIRD_PARTY)})


def test_every_url_has_a_row_and_every_row_a_url() -> None:
    assert set(OURS) == set(TABLE)


@pytest.mark.parametrize("name", OURS)
def test_the_response_to_each_person_matches_the_table(name: str, world: World) -> None:
    url = reverse(name, kwargs=_arguments(name, world))
    got = tuple(_open(url, world.people[person]) for person in PEOPLE)
    assert dict(zip(PEOPLE, got, strict=True)) == dict(zip(PEOPLE, TABLE[name], strict=True))


@pytest.mark.parametrize("name", [name for name in OURS if _converters(name)])
def test_posting_to_another_customers_object_is_404(name: str, world: World) -> None:
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


def _rule_of(_: World) -> str:
    make_unmanaged_rule("of-the-world", ["x@elsewhere.com"], rule_set="inbound-mail", create_set=True)
    return "of-the-world"


ARGUMENTS: dict[str, Callable[[World], object]] = {
    "address_id": lambda world: make_address("billing@of-the-world.example", world.domain).id,
    "endpoint_id": lambda world: make_endpoint(world.customer).id,
    "mail_id": lambda world: make_mail(make_endpoint(world.customer)).id,
    "probe_id": lambda world: make_probe(world.domain).id,
    "run_id": _run_of,
    "rule_name": _rule_of,
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
    "alert_id": lambda world: raise_alert(world.customer.id).pk,
    "target_id": lambda world: make_target(customer_id=world.customer.id).pk,
    "delivery_id": lambda world: make_delivery(world.customer.id).pk,
    "membership_id": lambda world: world.customer.memberships.get().pk,
    "invitation_id": lambda world: world.customer.invitations.get().pk,
}


def _arguments(name: str, world: World) -> dict[str, object]:
    return {argument: ARGUMENTS[argument](world) for argument in _converters(name)}


@pytest.mark.parametrize("name", ["admin:index", "admin:domains_domain_changelist", "admin:audit_change_changelist"])
def test_django_admin_is_for_staff_only(name: str, world: World) -> None:
    for person in ("anonymous", "alice", "bob"):
        client = Client()
        if user := world.people[person]:
            client.force_login(user)
        assert client.get(reverse(name)).status_code == 302
    client = Client()
    client.force_login(world.people["adam"])  # type: ignore[arg-type]  # Adam is a user
    assert client.get(reverse(name)).status_code == 200
