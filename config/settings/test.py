"""The test suite: as production wherever a test can tell, but no secret of yours, no mail sent, no slow hashing.

Values that a test relies on are fixed here, so that a `.env` beside the code cannot change an outcome.
"""

import base64
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


def _redis_of_this_worker(address: str) -> str:
    """Each xdist worker (gw0, gw1, ...) counts, limits and flushes in a Redis database of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    parts = urlsplit(address)
    number = int(parts.path.strip("/") or 0) + int(worker)
    return urlunsplit(parts._replace(path=f"/{number}"))


os.environ["ENVIRONMENT"] = "test"
os.environ["SECRET_KEY"] = "a key for tests only, long enough to pass the check"  # noqa: S105  # guards nothing
os.environ["JWT_SECRET"] = "a shared secret for tests only, long enough"  # noqa: S105  # guards nothing
os.environ["JWT_ISSUER"] = "reckoner-demo"
os.environ["ENCRYPTION_KEYS"] = "t1:" + base64.b64encode(b"thirty-two bytes, for tests only").decode()
os.environ["BREVO_API_KEY"] = ""
os.environ["PUBLIC_URL"] = "http://127.0.0.1:8000"
if os.environ.get("REDIS_URL"):
    # Workers inherit what the first process wrote here: the address as it was given is kept beside it.
    given = os.environ.setdefault("REDIS_URL_AS_GIVEN", os.environ["REDIS_URL"])
    os.environ["REDIS_URL"] = _redis_of_this_worker(given)

from config.settings.base import *  # noqa: E402, F403  # everything of base, which reads what was set above
from config.settings.base import CACHES, DATABASES, GATEWAY_SPACING, REDIS_URL  # noqa: E402  # after what base reads

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

# Race tests open twenty threads at once: each has a connection of its own instead of waiting for one of eight.
DATABASES["default"]["OPTIONS"].pop("pool")
CACHES["default"]["LOCATION"] = REDIS_URL  # one database, so that one flush between tests empties both

GATEWAY_SPACING.clear()  # what is about it sets it
GATEWAY_CALLS_PER_PROCESS = 50  # of the same twenty threads
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True

# Nothing is collected: WhiteNoise finds files where the apps keep them, and looks when it is asked for one. Listing all
# of them at the start is what a server does once; every test's client is a start.
STATIC_ROOT = None
WHITENOISE_AUTOREFRESH = True
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = str(Path(tempfile.gettempdir()) / f"reckoner-test-mail-{os.getpid()}")
