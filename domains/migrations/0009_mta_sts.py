from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("domains", "0008_mailed_records"),)

    operations = (
        migrations.AddField(
            model_name="domain",
            name="mta_sts",
            field=models.JSONField(blank=True, default=dict, help_text="What its MTA-STS policy does."),
        ),
        migrations.AddField(
            model_name="domain",
            name="mta_sts_at",
            field=models.DateTimeField(blank=True, help_text='Last attempt to fetch the policy.', null=True),
        ),
    )
