from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    """Who may see and answer disputes."""

    dependencies = [("office", "0001_roles"), ("payments", "0006_disputes")]
    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
