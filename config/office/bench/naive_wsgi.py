"""The product with the naive version's address beside its own, for granian."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
settings.ROOT_URLCONF = "config.office.bench.naive_urls"
