"""The office: what needs all apps at once. An app at the top of the arrows."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class OfficeConfig(AppConfig):
    """Today page, admin site, search, and the commands that need every app."""

    name = "config.office"
    label = "office"


class OfficeAdminConfig(AdminConfig):
    """Django admin with our site class."""

    default_site = "config.office.site.OfficeSite"
