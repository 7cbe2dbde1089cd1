from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="bulkitem",
            name="state",
            field=models.CharField(choices=[('waiting', 'Pending'), ('done', 'Done'), ('refused', 'Failed'), ('stopped', 'Stopped')], default='waiting', max_length=10),
        ),
    ]
