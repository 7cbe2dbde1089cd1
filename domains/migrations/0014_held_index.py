from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # an index is built beside what writes

    dependencies = [
        ("domains", "0013_last_check_index"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY domain_held ON domains_domain (name) INCLUDE (customer_id)"
            " WHERE proven_at IS NOT NULL AND NOT (stage = 'claim')",
            "DROP INDEX domain_held",
        ),
    ]
