"""The form that chooses how often a domain gets a test message."""

from django import forms

from inbound_admin.lib.seen import SeenField, fingerprint
from receipt_rules.probes.core import OFF, ProbePace

CHOICES = ((OFF, "Off"), (ProbePace.DAILY.value, "Once a day"), (ProbePace.HOURLY.value, "Once an hour"))


class ProbeScheduleForm(forms.Form):
    pace = forms.ChoiceField(label="Test messages", choices=CHOICES, initial=OFF)
    seen = SeenField()

    @classmethod
    def showing(cls, pace: str) -> "ProbeScheduleForm":
        """Return the form for a domain whose schedule has this pace, "" if it has none."""
        shown = {"pace": pace or OFF}
        return cls(initial=shown | {"seen": fingerprint(shown)})

    @property
    def chosen(self) -> ProbePace | None:
        pace = self.cleaned_data["pace"]
        return None if pace == OFF else ProbePace(pace)
