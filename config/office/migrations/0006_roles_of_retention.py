from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    """Operations see and change retention; they and finance may ask that a customer is forgotten."""

    dependencies = [("office", "0005_roles_of_routes"), ("core", "0004_retention"), ("payments", "0014_retention")]
    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
