
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
        migrations.AlterField(
            model_name='domain',
            name='adopted',
            field=models.BooleanField(default=False, help_text='SES already had the identity.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='deletion_bulk_id',
            field=models.CharField(blank=True, help_text='Bulk ID of the deletion.', max_length=40),
        ),
        migrations.AlterField(
            model_name='domain',
            name='dmarc_reports_to',
            field=models.EmailField(blank=True, help_text='Address for aggregate DMARC reports.', max_length=254),
        ),
        migrations.AlterField(
            model_name='domain',
            name='domain_connect',
            field=models.JSONField(blank=True, default=dict, help_text='Domain Connect settings of its DNS host.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='expectations',
            field=models.JSONField(blank=True, default=dict, help_text='Record exceptions by record key.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='has_catch_all',
            field=models.BooleanField(default=False, help_text='Maintained by the receipt_rules app, for the list.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='known_state',
            field=models.CharField(choices=[('not_checked', 'Not checked'), ('waiting', 'Action needed'), ('spreading', 'Pending'), ('verified', 'Verified'), ('at_risk', 'At risk'), ('wrong', 'Needs fixing'), ('could_not_check', 'Check failed')], default=domains.checking.core.judgement.State['NOT_CHECKED'], help_text='The last state from a successful check.', max_length=20),
        ),
        migrations.AlterField(
            model_name='domain',
            name='mail_rules',
            field=models.JSONField(blank=True, default=dict, help_text='What the active rule set does with mail, by name, including subdomains.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='moved_at',
            field=models.DateTimeField(blank=True, help_text='When staff transferred it. Empty once SES delivers to the new holder.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='mta_sts_at',
            field=models.DateTimeField(blank=True, help_text='Last attempt to fetch the policy.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='mx_facts',
            field=models.JSONField(blank=True, default=dict, help_text='Where the MX of each of these names points.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='new_dkim_wanted',
            field=models.BooleanField(default=False, help_text='DKIM key rotation requested.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='on_mx_failure',
            field=models.CharField(choices=[('UseDefaultValue', 'Use the default MAIL FROM domain'), ('RejectMessage', 'Reject the message')], default='UseDefaultValue', max_length=20),
        ),
        migrations.AlterField(
            model_name='domain',
            name='override_state',
            field=models.CharField(blank=True, choices=[('not_checked', 'Not checked'), ('waiting', 'Action needed'), ('spreading', 'Pending'), ('verified', 'Verified'), ('at_risk', 'At risk'), ('wrong', 'Needs fixing'), ('could_not_check', 'Check failed')], help_text='Set by staff.', max_length=20),
        ),
        migrations.AlterField(
            model_name='domain',
            name='policies',
            field=models.JSONField(blank=True, default=dict, help_text='Last seen SPF and DMARC records by name.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='proven_at',
            field=models.DateTimeField(blank=True, help_text='When DNS or staff proved that the customer owns it.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='receives',
            field=models.BooleanField(default=True, help_text='Receives mail here. Otherwise send only.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='receiving_state',
            field=models.CharField(blank=True, choices=[('live', 'live'), ('copied', 'copied'), ('rejected', 'rejected'), ('taken', 'taken'), ('foreign', 'foreign'), ('publish_mx', 'publish_mx'), ('add_address', 'add_address'), ('applying', 'applying'), ('not_set_up', 'not_set_up'), ('blocked', 'blocked'), ('unverified', 'unverified'), ('send_only', 'send_only'), ('unavailable', 'unavailable'), ('not_checked', 'not_checked'), ('could_not_tell', 'could_not_tell')], help_text='Of the name with the most severe state.', max_length=20),
        ),
        migrations.AlterField(
            model_name='domain',
            name='routes_look_at',
            field=models.DateTimeField(blank=True, help_text='Earliest time of the next comparison.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='routes_problem',
            field=models.TextField(blank=True, help_text='What rules still do for the former holder, and why.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='routes_removed_at',
            field=models.DateTimeField(blank=True, help_text='When the last receipt rule with it was removed. Deletion waits for it.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='routes_unchecked',
            field=models.BooleanField(default=True, help_text='New holder: receipt rules may still contain routes of the former holder.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='said_added_at',
            field=models.DateTimeField(blank=True, help_text='Last press of “I’ve added the records”.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='ses_looked_at',
            field=models.DateTimeField(blank=True, help_text='When SES last checked the DNS.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='ses_on_mx_failure',
            field=models.CharField(choices=[('UseDefaultValue', 'Use the default MAIL FROM domain'), ('RejectMessage', 'Reject the message')], default='UseDefaultValue', max_length=20),
        ),
        migrations.AlterField(
            model_name='domain',
            name='ses_problem',
            field=models.TextField(blank=True, help_text="Why SES couldn't be reached. Empty if it answered."),
        ),
        migrations.AlterField(
            model_name='domain',
            name='ses_soa',
            field=models.CharField(blank=True, help_text='Primary nameserver and SOA serial seen by SES.', max_length=280),
        ),
        migrations.AlterField(
            model_name='domain',
            name='stage',
            field=models.CharField(choices=[('claim', 'Ownership not proven'), ('starting', 'Setting up in Amazon SES'), ('ready', 'Set up'), ('deleting', 'Deleting')], default='starting', max_length=10),
        ),
        migrations.AlterField(
            model_name='domain',
            name='stage_problem',
            field=models.TextField(blank=True, help_text='Why setup or deletion is delayed, as shown on pages.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='state',
            field=models.CharField(choices=[('not_checked', 'Not checked'), ('waiting', 'Action needed'), ('spreading', 'Pending'), ('verified', 'Verified'), ('at_risk', 'At risk'), ('wrong', 'Needs fixing'), ('could_not_check', 'Check failed')], default=domains.checking.core.judgement.State['NOT_CHECKED'], max_length=20),
        ),
        migrations.AlterField(
            model_name='domain',
            name='unmake_wanted',
            field=models.BooleanField(default=False, help_text='The SES identity is to be deleted. The claim stays.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='unproven_warned_at',
            field=models.DateTimeField(blank=True, help_text='When its owners were warned of the removal.', null=True),
        ),
        migrations.AlterField(
            model_name='domain',
            name='watched_from',
            field=models.DateTimeField(auto_now_add=True, help_text='Checks are frequent for a while after this.'),
        ),
        migrations.AlterField(
            model_name='domain',
            name='zone',
            field=models.CharField(blank=True, help_text='Name of its zone, if below the registrable name.', max_length=253),
        ),
        migrations.AlterField(
            model_name='observedanswer',
            name='resolver',
            field=models.CharField(help_text='The resolver that answered.', max_length=100),
        ),
        migrations.AlterField(
            model_name='observedanswer',
            name='serial',
            field=models.PositiveBigIntegerField(help_text='SOA serial at the first answer.', null=True),
        ),
        migrations.AlterField(
            model_name='observedanswer',
            name='ttl',
            field=models.PositiveBigIntegerField(help_text='In seconds, at the first answer.', null=True),
        ),
        migrations.AlterField(
            model_name='recordcheck',
            name='state',
            field=models.CharField(choices=[('not_checked', 'Not checked'), ('waiting', 'Action needed'), ('spreading', 'Pending'), ('verified', 'Verified'), ('at_risk', 'At risk'), ('wrong', 'Needs fixing'), ('could_not_check', 'Check failed')], max_length=20),
        ),
        migrations.AlterField(
            model_name='sharelink',
            name='mailed_at',
            field=models.DateTimeField(blank=True, help_text='When a mail server accepted the email.', null=True),
        ),
        migrations.AlterField(
            model_name='sharelink',
            name='mailed_to',
            field=models.EmailField(blank=True, help_text='Recipient of the email with this link.', max_length=254),
        ),
        migrations.AlterField(
            model_name='sharelink',
            name='meant_for',
            field=models.CharField(blank=True, help_text='Label of the link.', max_length=100),
        ),
        migrations.AlterField(
            model_name='sharevisit',
            name='checks',
            field=models.PositiveIntegerField(default=0, help_text='How often “I’ve added the records” was pressed.'),
        ),
    ]
