from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0004_endpoint_description")]

    operations = [
        migrations.AddField(
            model_name="snapshot",
            name="holders",
            field=models.JSONField(
                help_text="Whose each name was that its rules name: name to customer's id.", null=True
            ),
        ),
    ]
