from typing import Any

from django import forms

from inbound_admin.lib.seen import SeenField, fingerprint
from notifications.alerts.core import kinds_for
from notifications.models.alerts import BY_MAIL, NotificationPreference
from notifications.preferences.services import shown_preferences

_TIME = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class PreferenceForm(forms.Form):
    by_mail = forms.ChoiceField(label="Email", choices=BY_MAIL, widget=forms.RadioSelect)
    digest_at = forms.TimeField(label="Daily digest at", widget=_TIME)
    quiet_from = forms.TimeField(label="Quiet hours from", required=False, widget=_TIME)
    quiet_until = forms.TimeField(label="Quiet hours until", required=False, widget=_TIME)
    wanted = forms.MultipleChoiceField(label="Notify me when", required=False, widget=forms.CheckboxSelectMultiple)

    seen = SeenField()

    def __init__(self, *args: Any, preference: NotificationPreference, staff: bool, **kwargs: Any) -> None:
        kinds = kinds_for(staff=staff)
        wanted = [kind.name for kind in kinds if kind.name not in preference.unwanted]
        given = {name: getattr(preference, name) for name in ("by_mail", "digest_at", "quiet_from", "quiet_until")}
        kwargs["initial"] = given | {"wanted": wanted, "seen": fingerprint(shown_preferences(preference))}
        super().__init__(*args, **kwargs)
        field: Any = self.fields["wanted"]
        field.choices = [(kind.name, kind.words) for kind in kinds]

    @property
    def unwanted(self) -> list[str]:
        field: Any = self.fields["wanted"]
        return [name for name, _ in field.choices if name not in self.cleaned_data["wanted"]]
