"""What libraries register and we do not want. Found last, since office is the last app."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django_celery_beat import models as beat

# Roles are made by migrations and given on a person's page; the schedule is a table in config/celery.py.
for unwanted in (
    Group,
    beat.ClockedSchedule,
    beat.CrontabSchedule,
    beat.IntervalSchedule,
    beat.PeriodicTask,
    beat.SolarSchedule,
):
    if admin.site.is_registered(unwanted):
        admin.site.unregister(unwanted)
