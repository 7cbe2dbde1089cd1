from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0003_receiving_stop")]
    operations = [
        migrations.AddField(
            model_name="endpoint",
            name="description",
            field=models.CharField(blank=True, max_length=2000),
        ),
    ]
