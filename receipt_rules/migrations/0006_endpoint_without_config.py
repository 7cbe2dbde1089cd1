from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0005_sealed_config")]
    operations = [migrations.RemoveField(model_name="endpoint", name="config")]
