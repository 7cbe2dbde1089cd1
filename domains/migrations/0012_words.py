
import domains.checking.core.judgement
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('domains', '0011_domain_connect'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='domain',
            options={'ordering': ('name',), 'permissions': (('hold_domain', 'Can hold and release a domain'), ('transfer_domain', 'Can transfer a domain to another customer'), ('approve_claim', 'Can approve a claim without DNS proof'), ('adopt_identity', 'Can adopt an existing SES identity for a customer'), ('expect_record', 'Can add record exceptions'), ('override_state', 'Can override the status of a domain'))},
        ),
    ]
