"""Two clouds may have a pairing for each generation of Windows that their hosts run."""

from django.db import migrations, models
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Lower


def take_generations(apps, schema_editor):
    """Each pairing is of the generation that its policy names."""
    policies = apps.get_model("protection", "Policy").objects.filter(id=OuterRef("policy_id"))
    apps.get_model("protection", "Pairing").objects.update(
        instance_type=Subquery(policies.values("instance_type")[:1])
    )


class Migration(migrations.Migration):

    dependencies = [
        ("protection", "0002_protection_in_full"),
    ]

    operations = [
        migrations.AddField(
            model_name="pairing",
            name="instance_type",
            field=models.CharField(default="", max_length=32),
            preserve_default=False,
        ),
        migrations.RunPython(take_generations, migrations.RunPython.noop),
        migrations.RemoveConstraint(model_name="pairing", name="pairing_primary_unique"),
        migrations.RemoveConstraint(model_name="pairing", name="pairing_recovery_unique"),
        migrations.AddConstraint(
            model_name="pairing",
            constraint=models.UniqueConstraint(
                fields=("primary_cloud", "instance_type"), name="pairing_primary_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="pairing",
            constraint=models.UniqueConstraint(
                fields=("recovery_cloud", "instance_type"), name="pairing_recovery_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="pairing",
            constraint=models.UniqueConstraint(
                "primary_cloud", Lower("name"), name="pairing_name_unique"
            ),
        ),
    ]
