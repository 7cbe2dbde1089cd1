from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("tenants", "0004_suppression"),)

    operations = (
        migrations.AddField(
            model_name="reputationread",
            name="unmeasured_because",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why we know that it sent mail of which nothing is measured; empty: it is measured.",
            ),
            preserve_default=False,
        ),
    )
