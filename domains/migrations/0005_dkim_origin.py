from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("domains", "0004_policies"),)

    operations = (
        migrations.AddField(
            model_name="domain",
            name="dkim_origin",
            field=models.CharField(blank=True, help_text="SES's SigningAttributesOrigin.", max_length=40),
        ),
    )
