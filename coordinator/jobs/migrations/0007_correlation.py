from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0006_step_lengths'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='correlation_id',
            field=models.CharField(default='', max_length=64),
        ),
    ]
