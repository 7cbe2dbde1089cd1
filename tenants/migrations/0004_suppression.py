import tenants.policy.core
from django.db import migrations, models

CHOICES = [("account", "account"), ("tenant", "tenant")]


class Migration(migrations.Migration):
    dependencies = (("tenants", "0003_pause_is_ours"),)

    operations = (
        migrations.AddField(
            model_name="tenant",
            name="suppression",
            field=models.CharField(choices=[('account', 'account'), ('tenant', 'tenant')], default=tenants.policy.core.Suppression['ACCOUNT'], help_text="Suppression list: the account's or the tenant's own.", max_length=10),
        ),
        migrations.AddField(
            model_name="tenant",
            name="suppression_told",
            field=models.CharField(blank=True, default="account", max_length=10),
        ),
        migrations.AddField(
            model_name="tenant",
            name="ses_suppression",
            field=models.CharField(blank=True, help_text="SES's SuppressionScope; empty: not read.", max_length=10),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="tenant",
            name="set_measures",
            field=models.BooleanField(help_text="Whether the set's reputation is measured; null: not read.", null=True),
        ),
    )
