"""What a person types at the pretend DNS host, and how they let the pretend Amazon misbehave."""

from typing import Any, TypedDict

from django import forms

from sandbox.dns.records import TTL_LIMIT, TYPES

KINDS = (
    ("throttle", "Throttled: “Rate exceeded”"),
    ("error", "Internal error (500)"),
    ("denied", "Our credentials may not make the call (403)"),
    ("missing", "Amazon does not know it (404)"),
    ("slow", "A slow answer"),
    ("cut_before", "Connection cut before the call counted"),
    ("cut_after", "Connection cut after the call was carried out"),
    ("exit_after", "Amazon's process ends after the call"),
)
# What Amazon's documents leave open: a sentence, and what each choice means.
BELIEFS = {
    "tenant_metrics": (
        "CloudWatch's metrics of a tenant",
        {
            "pair": "Counts by TenantId and TenantName",
            "pair_singular": "The same, named Send, Bounce, Complaint",
            "name": "Rates by TenantName",
            "other": "Counts of names that nobody told",
            "none": "None",
        },
    ),
    "dkim_only_txt": ("v1 tells a TXT token of an identity with DKIM alone", {"no": "No", "yes": "Yes"}),
    "hosted_zone": ("v2 tells where DKIM keys are published", {"yes": "Yes", "no": "No"}),
    "manual_cause": (
        "The cause of a pause by API",
        {"Status manually updated.": "“Status manually updated.”", "": "None"},
    ),
    "lost_mail": (
        "Lost mail in CloudWatch (PublishExpired)",
        {"rule_set": "At the active rule set alone", "rule": "At its rule too"},
    ),
    "metric_values": ("What CloudWatch tells of a metric", {"whole": "All at once", "parts": "Parts, in pages"}),
    "star_recipient": ("A rule for *@example.com", {"refused": "Refused", "literal": "Taken literally"}),
}
EVERY = "*"
OPERATIONS = (
    "sesv2:CreateEmailIdentity",
    "sesv2:GetEmailIdentity",
    "sesv2:DeleteEmailIdentity",
    "sesv2:ListEmailIdentities",
    "sesv2:PutEmailIdentityDkimAttributes",
    "sesv2:PutEmailIdentityDkimSigningAttributes",
    "sesv2:ListResourceTenants",
    "sesv2:DeleteTenantResourceAssociation",
    "ses:VerifyDomainIdentity",
    "ses:VerifyDomainDkim",
    "ses:SetIdentityMailFromDomain",
    "ses:GetIdentityVerificationAttributes",
    "ses:GetIdentityDkimAttributes",
    "ses:GetIdentityMailFromDomainAttributes",
    "sts:GetCallerIdentity",
)
RESET_WORD = "reset"


class Typed(TypedDict):
    """As the control API's `add_record` takes it."""

    name: str
    type: str
    value: str
    ttl: int


class BeliefForm(forms.Form):
    """Every belief at once, as it is now unless another is chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, choices) in BELIEFS.items():
            self.fields[name] = forms.ChoiceField(label=label, choices=list(choices.items()), required=False)

    def clean(self) -> dict[str, Any]:
        """An empty choice is one of them, where it is offered."""
        given = super().clean() or self.cleaned_data
        return {name: value for name, value in given.items() if value in BELIEFS[name][1]}


class RecordForm(forms.Form):
    """A record as DNS hosts ask for it: the name relative to the zone, the priority of an MX apart."""

    name = forms.CharField(
        required=False,
        max_length=260,
        help_text="Without the zone, which is added to it. @ is the zone itself.",
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )
    type = forms.ChoiceField(choices=[(kind, kind) for kind in TYPES if kind != "SOA"], initial="TXT")
    ttl = forms.IntegerField(
        label="TTL",
        min_value=0,
        max_value=TTL_LIMIT,
        initial=300,
        help_text="In seconds.",
        widget=forms.TextInput(attrs={"class": "font-mono", "inputmode": "numeric"}),
    )
    priority = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=65535,
        help_text="For MX alone.",
        widget=forms.TextInput(attrs={"class": "font-mono", "inputmode": "numeric"}),
    )
    value = forms.CharField(
        max_length=5000,
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("type") == "MX" and cleaned.get("priority") is None and "priority" not in self.errors:
            self.add_error("priority", "An MX has a priority, such as 10.")
        return cleaned

    def record(self, zone: str) -> Typed:
        """As the host keeps it. A name that ends in a dot is taken as it stands."""
        typed, kind, value = self.cleaned_data["name"], self.cleaned_data["type"], self.cleaned_data["value"]
        name = zone if typed in ("", "@") else typed.removesuffix(".") if typed.endswith(".") else f"{typed}.{zone}"
        value = f"{self.cleaned_data['priority']} {value}" if kind == "MX" else value
        return Typed(name=name, type=kind, value=value, ttl=self.cleaned_data["ttl"])


class FaultForm(forms.Form):
    kind = forms.ChoiceField(label="What goes wrong", choices=KINDS)
    operation = forms.ChoiceField(
        label="With which call", choices=((EVERY, "Every call"), *((one, one) for one in OPERATIONS))
    )
    nth = forms.IntegerField(
        label="From which call on", min_value=1, initial=1, help_text="1 is the next one that matches."
    )
    times = forms.IntegerField(
        label="How often", min_value=1, initial=1, required=False, help_text="Empty: until it is switched off."
    )
    seconds = forms.FloatField(
        label="Seconds", min_value=0, max_value=120, initial=5, required=False, help_text="For a slow answer alone."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == "slow" and not cleaned.get("seconds") and "seconds" not in self.errors:
            self.add_error("seconds", "Say for how many seconds the answer is held back.")
        return cleaned


class RecipientForm(forms.Form):
    recipient = forms.CharField(
        label="Refuse this recipient",
        max_length=320,
        help_text="An address, a domain, or a dot and a domain, as a receipt rule names it.",
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )


FINDINGS = ("BOUNCE", "COMPLAINT", "FEEDBACK_3P", "IP_LISTING", "DKIM", "SPF", "DMARC", "BIMI")


class RatesForm(forms.Form):
    """In percent, as people say them; an empty one stays as it is."""

    bounce = forms.FloatField(label="Bounces, in percent", min_value=0, max_value=100, required=False)
    complaint = forms.FloatField(label="Complaints, in percent", min_value=0, max_value=100, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and cleaned.get("bounce") is None and cleaned.get("complaint") is None:
            self.add_error("bounce", "Type at least one of the two.")
        return cleaned


class FindingForm(forms.Form):
    kind = forms.ChoiceField(label="Finding", choices=[(kind, kind) for kind in FINDINGS])
    impact = forms.ChoiceField(choices=(("HIGH", "High"), ("LOW", "Low")))
    status = forms.ChoiceField(label="It is", choices=(("OPEN", "open"), ("FIXED", "fixed")))


class SuspendForm(forms.Form):
    cause = forms.CharField(label="Cause", max_length=300, initial="Recipients complain about this tenant's mail.")


class ClockForm(forms.Form):
    amount = forms.IntegerField(label="Forward by", min_value=1, max_value=10_000, initial=1)
    unit = forms.ChoiceField(choices=(("3600", "hours"), ("86400", "days")), initial="86400")

    @property
    def seconds(self) -> int:
        return int(self.cleaned_data["amount"]) * int(self.cleaned_data["unit"])


class ResetForm(forms.Form):
    word = forms.CharField(
        label=f"Type {RESET_WORD} to confirm",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )

    def clean_word(self) -> str:
        word = str(self.cleaned_data["word"])
        if word.lower() != RESET_WORD:
            raise forms.ValidationError(f"Type {RESET_WORD}, or leave everything as it is.")
        return word
