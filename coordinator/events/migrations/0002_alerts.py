import django.db.models.deletion
import django.db.models.functions.text
import uuid
from django.db import migrations, models


def tell_nothing_old(apps, schema_editor):
    """Events from before there were alerts are news to nobody."""
    events = apps.get_model('events', 'Event').objects
    events.update(told_at=models.F('occurred_at'))
    events.exclude(cleared_at=None).update(clearing_told_at=models.F('cleared_at'))


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0001_initial'),
        ('vaults', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='event',
            name='told_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='event',
            name='clearing_told_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.RunPython(tell_nothing_old, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('told_at__isnull', True)), fields=['occurred_at'], name='event_untold'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('cleared_at__isnull', False), ('clearing_told_at__isnull', True)), fields=['cleared_at'], name='event_clearing_untold'),
        ),
        migrations.CreateModel(
            name='AlertSetting',
            fields=[
                ('vault', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='alert_setting', serialize=False, to='vaults.vault')),
                ('send_to_owners', models.BooleanField()),
                ('addresses', models.JSONField()),
                ('locale', models.CharField(max_length=35)),
            ],
        ),
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=64)),
                ('url', models.CharField(max_length=2048)),
                ('enabled', models.BooleanField(default=True)),
                ('event_types', models.JSONField(default=list)),
                ('severities', models.JSONField(default=list)),
                ('sealed_secret', models.BinaryField()),
                ('sealed_former_secret', models.BinaryField(null=True)),
                ('former_until', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=200)),
                ('vault', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='webhooks', to='vaults.vault')),
            ],
            options={
                'constraints': [models.UniqueConstraint(models.F('vault'), django.db.models.functions.text.Lower('name'), name='webhook_name_unique')],
            },
        ),
        migrations.CreateModel(
            name='AlertDelivery',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('address', models.CharField(default='', max_length=254)),
                ('content', models.JSONField()),
                ('state', models.CharField(max_length=16)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('problem', models.CharField(default='', max_length=500)),
                ('vault', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='vaults.vault')),
                ('webhook', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='events.webhook')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'Pending')), fields=['next_attempt_at'], name='delivery_pending'), models.Index(fields=['vault', '-created_at'], name='delivery_newest')],
            },
        ),
    ]
