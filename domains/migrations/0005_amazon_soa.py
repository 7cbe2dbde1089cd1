from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("domains", "0004_tenant")]

    operations = [
        migrations.AddField(
            model_name="domain",
            name="ses_soa",
            field=models.CharField(
                blank=True, default="", help_text="Primary name server and serial that Amazon saw.", max_length=280
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="domain",
            name="soa_serial",
            field=models.CharField(
                blank=True, default="", help_text="The zone's serial at the last diagnosis.", max_length=10
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="domain", name="soa_serial_since", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="domain",
            name="said_added_at",
            field=models.DateTimeField(blank=True, help_text="When we were told: “I have added them.”", null=True),
        ),
    ]
