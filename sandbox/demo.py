"""Accounts of the demo. Their passwords are no secret: these people exist only in a sandbox."""

from dataclasses import dataclass

from accounts.models.people import User
from accounts.roles import Role

PASSWORD = "pretend-post"  # noqa: S105  shown on the sign-in page of the sandbox


@dataclass(frozen=True)
class Account:
    """`customer` is empty for staff, `role` for customers."""

    email: str
    first_name: str
    last_name: str
    customer: str = ""
    role: Role | None = None
    password: str = PASSWORD

    @property
    def who(self) -> str:
        part = f"owner of {self.customer}" if self.customer else f"{str(self.role).lower()}, sees every customer"
        return f"{self.first_name} {self.last_name}, {part}"


ACCOUNTS = (
    Account("staff@inbound-admin.example", "Olga", "Lind", role=Role.ADMIN),
    Account("omar@inbound-admin.example", "Omar", "Reyes-Holt", role=Role.OPERATOR),
    Account("tess@inbound-admin.example", "Tess", "Amari", role=Role.TRUST_AND_SAFETY),
    Account("sam@inbound-admin.example", "Sam", "Okoro", role=Role.SUPPORT),
    Account("nora@northwind-books.com", "Nora", "Vale", customer="Northwind Books"),
    Account("kit@kiteandkey.studio", "Kit", "Adeyemi", customer="Kite & Key Studio"),
    Account("hana@harbourdental.co.uk", "Hana", "Reyes", customer="Harbour Dental"),
)


def demo_accounts() -> tuple[Account, ...]:
    """Return all accounts, whether they were seeded or not."""
    return ACCOUNTS


def accounts_that_are_there() -> tuple[Account, ...]:
    """Return the accounts that can sign in now."""
    emails = [account.email for account in ACCOUNTS]
    known = set(User.objects.filter(email__in=emails, is_active=True).values_list("email", flat=True))
    return tuple(account for account in ACCOUNTS if account.email in known)
