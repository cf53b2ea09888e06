import uuid

import django.db.models.deletion
from django.db import migrations, models

# Records stay as they were written, and chains only grow. Against mistakes: whoever owns the tables
# can drop the triggers; that it was done, the hashes show.
GUARDS = """
CREATE FUNCTION events_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION events_audit_refuse_uncut() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.sequence >= (SELECT first_sequence FROM events_auditchain WHERE id = OLD.chain_id) THEN
    RAISE EXCEPTION 'the audit is append-only: record % was not cut off', OLD.sequence
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION events_audit_refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.last_sequence < OLD.last_sequence OR NEW.first_sequence < OLD.first_sequence
     OR NEW.id <> OLD.id OR NEW.vault_id IS DISTINCT FROM OLD.vault_id THEN
    RAISE EXCEPTION 'the audit is append-only: a chain never gets shorter'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER audit_record_update BEFORE UPDATE ON events_auditrecord
  FOR EACH ROW EXECUTE FUNCTION events_audit_refuse();
CREATE TRIGGER audit_record_delete BEFORE DELETE ON events_auditrecord
  FOR EACH ROW EXECUTE FUNCTION events_audit_refuse_uncut();
CREATE TRIGGER audit_record_truncate BEFORE TRUNCATE ON events_auditrecord
  FOR EACH STATEMENT EXECUTE FUNCTION events_audit_refuse();
CREATE TRIGGER audit_chain_update BEFORE UPDATE ON events_auditchain
  FOR EACH ROW EXECUTE FUNCTION events_audit_refuse_shrinking();
CREATE TRIGGER audit_chain_delete BEFORE DELETE ON events_auditchain
  FOR EACH ROW EXECUTE FUNCTION events_audit_refuse();
CREATE TRIGGER audit_chain_truncate BEFORE TRUNCATE ON events_auditchain
  FOR EACH STATEMENT EXECUTE FUNCTION events_audit_refuse();
"""
NO_GUARDS = """
DROP TRIGGER audit_record_update ON events_auditrecord;
DROP TRIGGER audit_record_delete ON events_auditrecord;
DROP TRIGGER audit_record_truncate ON events_auditrecord;
DROP TRIGGER audit_chain_update ON events_auditchain;
DROP TRIGGER audit_chain_delete ON events_auditchain;
DROP TRIGGER audit_chain_truncate ON events_auditchain;
DROP FUNCTION events_audit_refuse();
DROP FUNCTION events_audit_refuse_uncut();
DROP FUNCTION events_audit_refuse_shrinking();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0002_alerts'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditChain',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('vault_id', models.UUIDField(null=True)),
                ('name', models.CharField(max_length=200)),
                ('first_sequence', models.PositiveBigIntegerField(default=1)),
                ('base_hash', models.BinaryField(default=bytes(32), max_length=32)),
                ('last_sequence', models.PositiveBigIntegerField(default=0)),
                ('last_hash', models.BinaryField(default=bytes(32), max_length=32)),
                ('key', models.BinaryField(max_length=32)),
                ('signature', models.BinaryField(max_length=64)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('vault_id',), name='audit_chain_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='AuditRecord',
            fields=[
                ('pk', models.CompositePrimaryKey('chain_id', 'sequence', blank=True, editable=False, primary_key=True, serialize=False)),
                ('sequence', models.PositiveBigIntegerField()),
                ('at', models.DateTimeField()),
                ('action', models.CharField(max_length=300)),
                ('outcome', models.CharField(max_length=16)),
                ('principal_id', models.CharField(max_length=64)),
                ('principal_type', models.CharField(max_length=32)),
                ('principal_name', models.CharField(max_length=255)),
                ('address', models.CharField(max_length=64)),
                ('resource', models.TextField()),
                ('status', models.PositiveSmallIntegerField()),
                ('code', models.CharField(max_length=128)),
                ('activity_id', models.CharField(max_length=64)),
                ('correlation_id', models.CharField(max_length=64)),
                ('client_request_id', models.CharField(max_length=64)),
                ('job', models.CharField(max_length=64)),
                ('body_hash', models.CharField(max_length=64)),
                ('changed_fields', models.JSONField()),
                ('details', models.JSONField()),
                ('hash', models.BinaryField(max_length=32)),
                ('chain', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='events.auditchain')),
            ],
            options={
                'indexes': [models.Index(fields=['chain', 'at'], name='audit_record_time')],
            },
        ),
        migrations.RunSQL(GUARDS, NO_GUARDS),
    ]
