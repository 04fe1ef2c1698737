"""The WSGI door that granian serves."""

import multiprocessing
import os
import signal

if multiprocessing.current_process().name == "granian-worker":
    # Until the application below is loaded a worker still has its parent's handlers and would swallow the request to
    # stop, so that stopping right after a start waited for the whole grace period. granian sets its own afterwards.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.prod")

application = get_wsgi_application()
