from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0007_indexes_of_what_is_at_work'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='correlation_id',
            field=models.CharField(default='', max_length=64),
        ),
    ]
