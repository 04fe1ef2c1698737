"""How the back office looks: unfold's settings. Its navigation is built per person by config.office.navigation."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _


def _style(request: object) -> str:
    return static("office/office.css")


def _icon(request: object) -> str:
    return static("office/icon.svg")


def _script(request: object) -> str:
    return static("office/office.js")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Reckoner",
    "SITE_HEADER": "Reckoner",
    "SITE_SUBHEADER": _("Payments back office"),
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "6px",
    "DASHBOARD_CALLBACK": "config.office.today.dashboard",
    "ENVIRONMENT": "config.office.navigation.environment",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "STYLES": [_style],
    "SCRIPTS": [_script],
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .014 240)",
            "100": "oklch(94% .03 240)",
            "200": "oklch(88.5% .058 240)",
            "300": "oklch(80.8% .098 240)",
            "400": "oklch(70.5% .14 242)",
            "500": "oklch(60% .15 245)",
            "600": "oklch(50.5% .145 248)",
            "700": "oklch(44.5% .128 250)",
            "800": "oklch(39.5% .105 251)",
            "900": "oklch(35.5% .085 252)",
            "950": "oklch(26% .062 254)",
        },
    },
    "ACCOUNT": {"navigation": "config.office.navigation.account"},
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "config.office.navigation.sidebar",
    },
}
