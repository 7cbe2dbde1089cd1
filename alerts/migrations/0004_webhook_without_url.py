from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0003_sealed_url")]
    operations = [
        migrations.AlterField(  # so that the way back has a value for the rows that are there
            model_name="webhooktarget",
            name="url",
            field=models.CharField("address", max_length=2000, default=""),
        ),
        migrations.RemoveField(model_name="webhooktarget", name="url"),
    ]
