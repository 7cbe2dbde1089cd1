from django.db import migrations

# Transfers before the column existed: the change log says when the present customer got the domain.
FROM_CHANGES = """
    UPDATE domains_domain SET held_since = moved.at
    FROM (
        SELECT object_id, max(at) AS at FROM audit_change
        WHERE object_type = 'domain' AND what = 'domain.transferred' GROUP BY object_id
    ) AS moved
    WHERE moved.object_id = domains_domain.id AND domains_domain.held_since IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("domains", "0024_held_since"), ("audit", "0001_initial")]
    operations = [migrations.RunSQL(FROM_CHANGES, migrations.RunSQL.noop)]
