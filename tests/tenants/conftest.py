import pytest
from pytest_django import Settings

from accounts.models.people import Customer, User
from tests.factories import make_customer, make_member


@pytest.fixture(autouse=True)
def fast_password_hasher(settings: Settings) -> None:
    """Avoid a real password hash, which takes a third of a second."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme")


@pytest.fixture
def alice(acme: Customer) -> User:
    return make_member(acme, email="alice@acme.example")


@pytest.fixture
def bob() -> User:
    return make_member(make_customer("Bob's Shop"), email="bob@bob.example")
