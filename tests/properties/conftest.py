"""The words and fixtures of the payments' tests, for properties too."""

from tests.payments.conftest import *  # noqa: F403 - the same fixtures
