from django.db import migrations, models

STATES = (
    *("live", "copied", "rejected", "bounced", "lost", "partly_lost", "taken", "undelivered", "tls_only", "mta_sts"),
    *("foreign", "publish_mx", "add_address", "applying", "not_set_up", "blocked", "unverified", "send_only"),
    *("unavailable", "not_checked", "could_not_tell"),
)


class Migration(migrations.Migration):
    dependencies = [("domains", "0027_settings_unanswered")]
    operations = [
        migrations.AddField(
            "domain",
            "mta_sts_block",
            models.JSONField(null=True, blank=True, help_text="Senders follow a policy that excludes us."),
        ),
        migrations.AlterField(
            "domain",
            "receiving_state",
            models.CharField(
                max_length=20,
                blank=True,
                choices=[(state, state) for state in STATES],
                help_text="Of the name with the most severe state.",
            ),
        ),
    ]
