from django.db import migrations

# `aws_pace` has a row for each account and region that SES was called in.
ACCEPT = """
    INSERT INTO aws_home (region, account, is_accepted)
        SELECT region, min(account), true FROM aws_pace GROUP BY region HAVING count(*) = 1
    ON CONFLICT (region) DO UPDATE SET is_accepted = true WHERE aws_home.account = excluded.account
"""


class Migration(migrations.Migration):
    """A region that ran before the update is accepted, also if it has no domain and no tenant at present."""

    dependencies = [("inbound_admin", "0004_aws_home")]
    operations = [migrations.RunSQL(ACCEPT, migrations.RunSQL.noop)]
