from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    """Operations and treasury change routing rules; operations makes payment methods."""

    dependencies = [("office", "0003_roles_of_routing"), ("payments", "0008_routing")]
    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
