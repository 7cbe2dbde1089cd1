"""Forms of the sandbox DNS host and of the sandbox AWS."""

from typing import Any, TypedDict

from django import forms

from sandbox.dns.records import TTL_LIMIT, TYPES

KINDS = (
    ("throttle", "Throttled: “Rate exceeded”"),
    ("error", "Internal error (500)"),
    ("denied", "Access denied (403)"),
    ("missing", "Not found (404)"),
    ("slow", "Slow response"),
    ("cut_before", "Connection lost before the call is applied"),
    ("cut_after", "Connection lost after the call is applied"),
    ("exit_after", "AWS process exits after the call"),
)
# Behaviour that AWS doesn't document: a label, and the choices.
BELIEFS = {
    "tenant_metrics": (
        "CloudWatch metrics of a tenant",
        {
            "pair": "Counts by TenantId and TenantName",
            "pair_singular": "Counts named Send, Bounce, Complaint",
            "name": "Rates by TenantName",
            "other": "Counts under unknown names",
            "none": "None",
        },
    ),
    "dkim_only_txt": ("SES v1 returns a TXT token for a DKIM-only identity", {"no": "No", "yes": "Yes"}),
    "hosted_zone": ("SES v2 returns the hosted zone of DKIM keys", {"yes": "Yes", "no": "No"}),
    "manual_cause": (
        "Cause of a pause through the API",
        {"Status manually updated.": "“Status manually updated.”", "": "None"},
    ),
    "lost_mail": (
        "Lost mail in CloudWatch (PublishExpired)",
        {"rule_set": "For the active rule set only", "rule": "Also for the rule"},
    ),
    "metric_values": ("CloudWatch metric values", {"whole": "In one page", "parts": "In several pages"}),
    "star_recipient": ("A rule for *@example.com", {"refused": "Rejected", "literal": "Accepted literally"}),
    "header_recipients": ("Sending mail with “Cc: root”", {"refused": "Rejected", "sent": "Accepted"}),
    "after_stop": ("Actions after a Stop in the same rule", {"skipped": "Skipped", "run": "Run"}),
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
    """A record as the control API's `add_record` accepts it."""

    name: str
    type: str
    value: str
    ttl: int


class BeliefForm(forms.Form):
    """All undocumented behaviours, with their current choice selected."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, choices) in BELIEFS.items():
            self.fields[name] = forms.ChoiceField(label=label, choices=list(choices.items()), required=False)

    def clean(self) -> dict[str, Any]:
        """Keep an empty choice where it is offered."""
        given = super().clean() or self.cleaned_data
        return {name: value for name, value in given.items() if value in BELIEFS[name][1]}


class RecordForm(forms.Form):
    """A record as at DNS hosts: name relative to the zone, MX priority in its own field."""

    name = forms.CharField(
        required=False,
        max_length=260,
        help_text="Without the zone name. Use @ for the zone itself.",
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
        help_text="MX only.",
        widget=forms.TextInput(attrs={"class": "font-mono", "inputmode": "numeric"}),
    )
    value = forms.CharField(
        max_length=5000,
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("type") == "MX" and cleaned.get("priority") is None and "priority" not in self.errors:
            self.add_error("priority", "Enter a priority for the MX record, such as 10.")
        return cleaned

    def record(self, zone: str) -> Typed:
        """Return the record as stored. A name that ends in a dot is absolute."""
        typed, kind, value = self.cleaned_data["name"], self.cleaned_data["type"], self.cleaned_data["value"]
        name = zone if typed in ("", "@") else typed.removesuffix(".") if typed.endswith(".") else f"{typed}.{zone}"
        value = f"{self.cleaned_data['priority']} {value}" if kind == "MX" else value
        return Typed(name=name, type=kind, value=value, ttl=self.cleaned_data["ttl"])


class FaultForm(forms.Form):
    kind = forms.ChoiceField(label="Fault", choices=KINDS)
    operation = forms.ChoiceField(
        label="API call", choices=((EVERY, "Every call"), *((one, one) for one in OPERATIONS))
    )
    nth = forms.IntegerField(label="Start at call", min_value=1, initial=1, help_text="1 is the next matching call.")
    times = forms.IntegerField(
        label="Number of calls",
        min_value=1,
        initial=1,
        required=False,
        help_text="Leave blank for all calls until turned off.",
    )
    seconds = forms.FloatField(
        label="Seconds", min_value=0, max_value=120, initial=5, required=False, help_text="For a slow response only."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == "slow" and not cleaned.get("seconds") and "seconds" not in self.errors:
            self.add_error("seconds", "Enter how many seconds to delay the response.")
        return cleaned


class RecipientForm(forms.Form):
    recipient = forms.CharField(
        label="Recipient",
        max_length=320,
        help_text="An address, a domain or .domain, as in a receipt rule.",
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )


FINDINGS = ("BOUNCE", "COMPLAINT", "FEEDBACK_3P", "IP_LISTING", "DKIM", "SPF", "DMARC", "BIMI")


class RatesForm(forms.Form):
    """Rates in percent. A blank one is unchanged."""

    bounce = forms.FloatField(label="Bounce rate (%)", min_value=0, max_value=100, required=False)
    complaint = forms.FloatField(label="Complaint rate (%)", min_value=0, max_value=100, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and cleaned.get("bounce") is None and cleaned.get("complaint") is None:
            self.add_error("bounce", "Enter at least one rate.")
        return cleaned


class FindingForm(forms.Form):
    kind = forms.ChoiceField(label="Finding", choices=[(kind, kind) for kind in FINDINGS])
    impact = forms.ChoiceField(choices=(("HIGH", "High"), ("LOW", "Low")))
    status = forms.ChoiceField(label="Status", choices=(("OPEN", "Open"), ("FIXED", "Fixed")))


class SuspendForm(forms.Form):
    cause = forms.CharField(label="Cause", max_length=300, initial="Recipients complain about this tenant's mail.")


class ClockForm(forms.Form):
    amount = forms.IntegerField(label="Advance by", min_value=1, max_value=10_000, initial=1)
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
            raise forms.ValidationError(f"Type {RESET_WORD} to confirm.")
        return word
