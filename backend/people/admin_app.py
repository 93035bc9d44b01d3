"""The app config of Django's admin, with Katha's site. Apart from the site, because models cannot be loaded yet."""

from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    """The admin with the site of `backend.people.site`."""

    default_site = "backend.people.site.AdminSite"
