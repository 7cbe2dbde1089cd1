from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # an index is built beside what writes

    dependencies = [
        ("inbound_admin", "0003_name_parts"),
        ("receipt_rules", "0013_refused_index"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY endpoint_name_parts ON receipt_rules_endpoint USING gin (name_parts(upper(name)))",
            "DROP INDEX endpoint_name_parts",
        ),
    ]
