"""One developer's machine and the demo: plain http, mail into a folder, pages straight from the source tree.

`python3 dev.py demo` makes the secrets and passes them in; nothing here has a value that could reach production.
"""

from config.settings.base import *  # noqa: F403  # thin differences: everything else is base's
from config.settings.base import WEBHOOK_INTERNAL_HOSTS

SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
WEBHOOK_INTERNAL_HOSTS = WEBHOOK_INTERNAL_HOSTS | {"localhost", "127.0.0.1"}  # a receiver you are writing
EMAIL_TIMEOUT = 5
# Nothing is collected: WhiteNoise finds files where the apps keep them.
STATIC_ROOT = None
