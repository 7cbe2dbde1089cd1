from typing import Any

from django import forms

from accounts.models.people import User
from accounts.people.selectors import memberships_of
from inbound_admin.lib.seen import SeenField, fingerprint
from notifications.events.core import EVENTS, events_for
from notifications.models.webhooks import FORMATS, WebhookTarget, new_target_id
from notifications.webhooks.core import Format
from notifications.webhooks.services import shown_values

STAFF, ME = "staff", "me"


class TargetForm(forms.Form):
    """The editable fields of a webhook. The events are those its owner can receive."""

    name = forms.CharField(max_length=120, help_text="A name to recognise it by.")
    url = forms.CharField(
        label="URL",
        max_length=2000,
        widget=forms.URLInput(
            {"placeholder": "https://example.com/hooks", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text="A public https:// URL. Redirects aren't followed.",
    )
    events = forms.MultipleChoiceField(
        label="Events",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Leave blank for all events, including future ones.",
    )

    def __init__(self, *args: Any, staff: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.events_field.choices = [(event, EVENTS[event]) for event in events_for(staff=staff)]

    @property
    def events_field(self) -> Any:
        return self.fields["events"]


class ChangeTargetForm(TargetForm):
    is_on = forms.BooleanField(label="Active", required=False, help_text="Turning it off cancels pending deliveries.")
    seen = SeenField()

    def __init__(self, *args: Any, target: WebhookTarget, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "name": target.name,
            "url": target.shown_url,
            "events": target.events,
            "is_on": target.is_on,
            "seen": fingerprint(shown_values(target)),
        }
        super().__init__(*args, staff=target.is_of_staff, **kwargs)
        if target.person_id is not None:
            del self.fields["events"]  # a person's webhook gets the alerts that the person gets


class AddTargetForm(TargetForm):
    """The ID is chosen when the form is shown, so submitting it twice adds one webhook."""

    owner = forms.ChoiceField(label="Owner")
    form = forms.ChoiceField(label="Format", choices=FORMATS, widget=forms.RadioSelect, initial=Format.STANDARD)
    target_id = forms.RegexField(r"^whk_[0-9a-z]{20}$", initial=new_target_id, widget=forms.HiddenInput)
    field_order = ("owner", "name", "url", "form", "events", "target_id")

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        owners = owners_for(viewer)
        super().__init__(*args, staff=any(owner == STAFF for owner, _ in owners), **kwargs)
        owner: Any = self.fields["owner"]
        owner.choices = owners

    @property
    def whose(self) -> dict[str, Any]:
        """Return the owner as keyword arguments of `add_target`."""
        owner = str(self.cleaned_data["owner"])
        return {"customer_id": "" if owner in (STAFF, ME) else owner, "own": owner == ME}


def owners_for(viewer: User) -> list[tuple[str, str]]:
    """Return the owners for whom the viewer can add a webhook."""
    owners = [(each.customer_id, each.customer.name) for each in memberships_of(viewer) if each.is_owner]
    if viewer.has_perm("notifications.manage_staff_webhooks"):
        owners.insert(0, (STAFF, "Staff: all events"))
    return [*owners, (ME, "You only: your own alerts")]
