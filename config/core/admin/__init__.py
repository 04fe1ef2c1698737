"""The back office's own words (list, page, deed, cell) and the floor's pages. Apps build their pages from the same."""

from config.core.admin import api_keys, approvals, audit, dead_letters, jobs, outbox, retention, users

__all__ = ["api_keys", "approvals", "audit", "dead_letters", "jobs", "outbox", "retention", "users"]
