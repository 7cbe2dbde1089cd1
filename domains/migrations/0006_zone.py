from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("domains", "0005_dkim_origin"),)

    operations = (
        migrations.AddField(
            model_name="domain",
            name="zone",
            field=models.CharField(blank=True, help_text='Name of its zone, if below the registrable name.', max_length=253),
        ),
    )
