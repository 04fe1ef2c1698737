from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    """Who may see and change routing rules."""

    dependencies = [("office", "0002_roles_of_disputes"), ("payments", "0008_routing")]
    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
