"""One developer's machine and the demo: plain http, mail into a folder, pages straight from the source tree.

`python3 dev.py demo` makes the secrets and passes them in; nothing here has a value that could reach production.
"""

from config.settings.base import *  # noqa: F403  # thin differences: everything else is base's

SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
EMAIL_TIMEOUT = 5
# Nothing is collected: WhiteNoise finds files where the apps keep them.
STATIC_ROOT = None
