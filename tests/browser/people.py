"""Signing in as a person does."""

from playwright.sync_api import Page

PASSWORD = "correct horse battery"


def sign_in(page: Page, email: str) -> None:
    page.goto("/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/domains/**")
