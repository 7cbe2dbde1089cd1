"""The company's customers and owners, who came four weeks ago, and those from before tenants were used."""

from django.test.utils import override_settings

from accounts.models.people import Customer, User
from accounts.people.selectors import owners_of
from operations.customers.services import create_customer
from sandbox.company.cast import FIRMS, Firm
from sandbox.demo import ACCOUNTS


def add_customers() -> None:
    """Nobody has a password of these owners: the demo's accounts are `demo.ACCOUNTS`."""
    for firm in FIRMS:
        with override_settings(TENANT_FOR_NEW_CUSTOMERS=firm.has_tenant):
            _add(firm)


def _add(firm: Firm) -> None:
    if Customer.objects.filter(name=firm.name).exists():
        return
    owner = User.objects.filter(email=firm.email).first() or User.objects.create_user(
        firm.email, None, first_name=firm.first_name, last_name=firm.last_name
    )
    create_customer(name=firm.name, owner=owner, actor=None)


def owner_of(customer: Customer) -> User:
    """Return the first owner."""
    return owners_of(customer).order_by("pk")[0]


def staff(first_name: str) -> User:
    """Return one of the demo's staff."""
    email = next(account.email for account in ACCOUNTS if account.role and account.first_name == first_name)
    return User.objects.get(email=email)
