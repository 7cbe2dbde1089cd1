"""The model of the last drift check of the rules gets its present name. Its table keeps the old one."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("receipt_rules", "0017_stored_only")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Look", "RulesCheck"),
                migrations.AlterModelTable("RulesCheck", "receipt_rules_look"),
            ]
        ),
    ]
