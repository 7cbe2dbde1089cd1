from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # an index is built beside what writes

    dependencies = [
        ("inbound_admin", "0003_name_parts"),
        ("accounts", "0005_density"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY customer_name_parts ON accounts_customer USING gin (name_parts(upper(name)))",
            "DROP INDEX customer_name_parts",
        ),
    ]
