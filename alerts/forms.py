from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from alerts.core.events import EVENTS, events_for
from alerts.core.kinds import kinds_for
from alerts.core.payloads import Format
from alerts.models import NotificationPreference, WebhookTarget
from alerts.models.preferences import BY_MAIL
from alerts.models.webhooks import FORMATS, new_target_id
from alerts.selectors.people import MANAGES_STAFF_WEBHOOKS, belongings_of

STAFF, ME = "staff", "me"
MUTES = (("1", "for a day"), ("7", "for a week"), ("30", "for 30 days"))
_TIME = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class MuteForm(forms.Form):
    days = forms.ChoiceField(label="Say nothing of it", choices=MUTES)

    @property
    def until(self) -> Any:
        return timezone.now() + timedelta(days=int(self.cleaned_data["days"]))


class TargetForm(forms.Form):
    """What can be changed of a webhook; events are those that its owner can get."""

    name = forms.CharField(max_length=120, help_text="So that you know it again.")
    url = forms.CharField(
        label="Address",
        max_length=2000,
        widget=forms.URLInput(
            {"placeholder": "https://example.com/hooks", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text="An https:// address of the public internet. Redirects are not followed.",
    )
    events = forms.MultipleChoiceField(
        label="What it is told",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen is all, and what may be added later.",
    )

    def __init__(self, *args: Any, staff: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.events_field.choices = [(event, EVENTS[event]) for event in events_for(staff=staff)]

    @property
    def events_field(self) -> Any:
        return self.fields["events"]


class ChangeTargetForm(TargetForm):
    is_on = forms.BooleanField(label="Switched on", required=False, help_text="Off, what waits for it is cancelled.")

    def __init__(self, *args: Any, target: WebhookTarget, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "name": target.name,
            "url": target.shown_url,
            "events": target.events,
            "is_on": target.is_on,
        }
        super().__init__(*args, staff=target.is_of_staff, **kwargs)
        if target.person_id is not None:
            del self.fields["events"]  # a person's own gets the alerts that the person gets


class AddTargetForm(TargetForm):
    """The id is chosen when the form is shown, so that sending it twice adds one."""

    owner = forms.ChoiceField(label="For whom")
    form = forms.ChoiceField(label="How it is told", choices=FORMATS, widget=forms.RadioSelect, initial=Format.STANDARD)
    target_id = forms.RegexField(r"^whk_[0-9a-z]{20}$", initial=new_target_id, widget=forms.HiddenInput)
    field_order = ("owner", "name", "url", "form", "events", "target_id")

    def __init__(self, *args: Any, viewer: Any, **kwargs: Any) -> None:
        owners = owners_for(viewer)
        super().__init__(*args, staff=any(owner == STAFF for owner, _ in owners), **kwargs)
        owner: Any = self.fields["owner"]
        owner.choices = owners

    @property
    def whose(self) -> dict[str, Any]:
        """As `add_target` takes it."""
        owner = str(self.cleaned_data["owner"])
        return {"customer_id": "" if owner in (STAFF, ME) else owner, "own": owner == ME}


def owners_for(viewer: Any) -> list[tuple[str, str]]:
    """For whom the viewer can add a webhook."""
    owners = [(each.customer_id, each.name) for each in belongings_of(viewer) if each.is_owner]
    if viewer.has_perm(MANAGES_STAFF_WEBHOOKS):
        owners.insert(0, (STAFF, "Our staff: everything that happens"))
    return [*owners, (ME, "You alone: the alerts that you get")]


class PreferenceForm(forms.Form):
    by_mail = forms.ChoiceField(label="E-mail", choices=BY_MAIL, widget=forms.RadioSelect)
    digest_at = forms.TimeField(label="Once a day at", widget=_TIME)
    quiet_from = forms.TimeField(label="Quiet from", required=False, widget=_TIME)
    quiet_until = forms.TimeField(label="Quiet until", required=False, widget=_TIME)
    wanted = forms.MultipleChoiceField(label="Tell me when", required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, preference: NotificationPreference, staff: bool, **kwargs: Any) -> None:
        kinds = kinds_for(staff=staff)
        wanted = [kind.name for kind in kinds if kind.name not in preference.unwanted]
        given = {name: getattr(preference, name) for name in ("by_mail", "digest_at", "quiet_from", "quiet_until")}
        kwargs["initial"] = given | {"wanted": wanted}
        super().__init__(*args, **kwargs)
        field: Any = self.fields["wanted"]
        field.choices = [(kind.name, kind.words) for kind in kinds]

    @property
    def unwanted(self) -> list[str]:
        field: Any = self.fields["wanted"]
        return [name for name, _ in field.choices if name not in self.cleaned_data["wanted"]]
