"""Commands written before there were families belong to the job of their step."""

from django.db import migrations

FILL = """
UPDATE jobs_command AS command SET root_id = step.job_id
FROM jobs_step AS step WHERE step.id = command.step_id AND command.root_id IS NULL
"""


class Migration(migrations.Migration):
    """Fills the new column; nothing to take back."""

    dependencies = [("jobs", "0003_families")]
    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
