"""The admin site."""

from unfold.sites import UnfoldAdminSite


class OfficeSite(UnfoldAdminSite):
    """Reckoner's back office."""
