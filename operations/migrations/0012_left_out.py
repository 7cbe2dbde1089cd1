from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0011_batch_item_retried_by")]

    operations = [
        migrations.AddField(
            model_name="migration",
            name="left_out",
            field=models.TextField(
                blank=True, db_default="", help_text="Lines of the file that selected no customer, and why."
            ),
        ),
        migrations.SeparateDatabaseAndState(  # SES is asked at each identity; a later release drops the columns
            state_operations=[
                migrations.RemoveField("migration", "taken"),
                migrations.RemoveField("migrationitem", "is_retried"),
            ]
        ),
    ]
