from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("tenants", "0004_suppression"),)

    operations = (
        migrations.AddField(
            model_name="reputationread",
            name="unmeasured_because",
            field=models.TextField(blank=True, help_text='Why mail was sent without metrics; empty: it is measured.'),
            preserve_default=False,
        ),
    )
