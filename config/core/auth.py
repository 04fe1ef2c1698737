"""Who calls, and what they may: JWTs of configured issuers, API keys, and staff sessions for reading.

Everything is closed until a view names a permission. Missing or wrong credentials are 401, a known caller without the
right is 403, and an object of somebody else is 404 (the selectors see to that).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import jwt
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.core import apikeys, context, jwks, masking, metrics
from config.core.strict_json import UNSTORABLE

if TYPE_CHECKING:  # rest_framework.views loads this module for its defaults
    from rest_framework.views import APIView

Kind = Literal["customer", "system", "key", "payment", "staff"]

LEEWAY: Final = timedelta(seconds=30)
MAX_TOKEN_LENGTH: Final = 8_192
MAX_SUBJECT_LENGTH: Final = 200
KEY_BRINGING_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit"})
"""Headers by which a token would bring, or point to, the key that proves it (RFC 7515, 4.1). Never followed."""
STAFF_SCOPES: Final = frozenset({"reports:read", "metrics:read"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `client` is the scope of rate limits and idempotency keys, `actor` the name in the audit trail."""

    kind: Kind
    client: str
    subject: str
    scopes: frozenset[str] = frozenset()
    name: str = ""  # of an API key, for people

    is_authenticated: bool = True
    is_active: bool = True

    def has(self, scope: str) -> bool:
        """Whether the caller was given this scope. Customers have none: they own things instead."""
        return scope in self.scopes

    @property
    def customer(self) -> str:
        """The customer's id at the marketplace; empty for everybody else."""
        return self.subject if self.kind == "customer" else ""

    @property
    def actor(self) -> str:
        """For audit rows and logs: customers by a hash, staff and services by name."""
        if self.kind == "customer":
            return f"customer:{masking.pseudonym(self.subject)}"
        if self.kind == "staff":
            return f"user:{self.subject}"
        return f"{self.kind}:{self.name or self.subject}"


def caller_of(request: Request) -> Caller:
    """The caller of a view that needs one. Raises NotAuthenticated where a public view was called by nobody."""
    if not isinstance(request.user, Caller):
        raise exceptions.NotAuthenticated
    return request.user


# --- Authentication --------------------------------------------------------------------------------------------------


class WrongAudience(exceptions.PermissionDenied):
    """A token of an issuer we trust, made for somebody else."""

    default_detail = "The token was issued for another audience."
    default_code = "wrong_audience"


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer` with a JWT of a configured issuer, or with an API key."""

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        """The caller and the token; None without the header. Raises AuthenticationFailed, WrongAudience."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise refused("malformed", "Send the header as 'Authorization: Bearer <token>'.")
        caller = caller_of_key(token) if token.startswith(apikeys.PREFIXES) else caller_of_jwt(token)
        context.amend(actor=caller.actor)
        return caller, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for (RFC 6750, 3)."""
        return 'Bearer realm="reckoner"'


class SessionStaff(BaseAuthentication):
    """A member of staff who is signed in to the admin. Reading only, so that no form elsewhere can act for them."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        """The member of staff; None for everybody else and for anything but reading."""
        plain: HttpRequest = request._request
        user = getattr(plain, "user", None)
        if plain.method not in ("GET", "HEAD", "OPTIONS") or user is None or not user.is_authenticated:
            return None
        # With django-otp's middleware a password alone is half a sign-in.
        verified = getattr(user, "is_verified", None)
        if not (user.is_active and user.is_staff) or (verified is not None and not verified()):
            return None
        caller = Caller(kind="staff", client=f"user:{user.pk}", subject=user.email, scopes=STAFF_SCOPES)
        context.amend(actor=caller.actor)
        return caller, None


def refused(reason: str, message: str) -> exceptions.AuthenticationFailed:
    """A 401, counted by reason (a closed set of words). The message never says what we would have accepted."""
    metrics.auth_failed(surface="api", reason=reason)
    return exceptions.AuthenticationFailed(message, code="invalid_credentials")


def caller_of_key(token: str) -> Caller:
    """The service or BI tool behind an API key. Raises AuthenticationFailed."""
    key = apikeys.find(token, ip=context.get().ip, at=timezone.now())
    if key is None:
        raise refused("api_key", "The API key is not valid.")
    return Caller(kind="key", client=key.id, subject=key.id, scopes=frozenset(key.scopes), name=key.name)


_jwt: Final = jwt.PyJWT()
_OPTIONS: Final[Any] = {"require": ["exp", "iss", "aud", "sub"], "strict_aud": False}


def caller_of_jwt(token: str) -> Caller:
    """The customer or service a JWT speaks for (RFC 7519, RFC 8725).

    The issuer's settings say with which one algorithm and key it is checked; the token has no say in it. Raises
    AuthenticationFailed, WrongAudience, and Unavailable when the issuer's keys cannot be had.
    """
    header, claims = _peek(token)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in settings.JWT_ISSUERS:
        raise refused("issuer", "The token is not valid.")
    if KEY_BRINGING_HEADERS & header.keys():
        raise refused("header", "The token is not valid.")
    known = settings.JWT_ISSUERS[issuer]
    if "secret" in known:
        key: Any = known["secret"]
    else:
        key = jwks.key(known["jwks_url"], kid=header.get("kid"), algorithm=known["algorithm"])
        if key is None:
            raise refused("kid", "The token is not valid.")
    try:
        claims = _jwt.decode(
            token,
            key,
            algorithms=[known["algorithm"]],
            audience=known.get("audience") or settings.SYSTEM_AUDIENCE,
            issuer=issuer,
            leeway=LEEWAY,
            options=_OPTIONS,
        )
    except jwt.ExpiredSignatureError:
        raise refused("expired", "The token has expired.") from None
    except jwt.InvalidAudienceError:
        metrics.auth_failed(surface="api", reason="audience")
        raise WrongAudience from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise refused("token", "The token is not valid.") from None
    return _caller(issuer, known, claims)


def _caller(issuer: str, known: dict[str, str], claims: dict[str, Any]) -> Caller:
    subject, kind, scope = claims["sub"], claims.get("typ", "customer"), claims.get("scope", "")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH or UNSTORABLE.search(subject):
        raise refused("claims", "The token is not valid.")
    if kind not in known.get("kinds", "customer system").split() or not isinstance(scope, str):
        raise refused("claims", "The token is not valid.")
    if kind == "system":
        return Caller(kind="system", client=issuer, subject=subject, scopes=frozenset(scope.split()))
    # A customer gets a limit and idempotency keys of their own: nobody meets another customer's payment by a key.
    return Caller(kind="customer", client=f"{issuer}:{masking.pseudonym(subject)}", subject=subject)


def _peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims before anything is proven: only to choose whose key must prove them."""
    parts = token.split(".")
    if len(parts) != 3:
        raise refused("malformed", "The token is not valid.")
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (binascii.Error, ValueError, RecursionError):
        raise refused("malformed", "The token is not valid.") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise refused("malformed", "The token is not valid.")
    return header, claims


# --- Permissions -----------------------------------------------------------------------------------------------------


class Deny(BasePermission):
    """Nobody. The default, so that a view without a permission is closed rather than open."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


class Public(BasePermission):
    """Everybody. Named, so that a reader sees that it is meant."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return True


class AnyCaller(BasePermission):
    """Any proven caller."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Caller)


class IsCustomer(BasePermission):
    """A customer, about things of their own."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Caller) and request.user.kind == "customer"


class IsSystem(BasePermission):
    """A service of the marketplace, by its system token."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Caller) and request.user.kind == "system"


class _HasScopes(BasePermission):
    needed: frozenset[str] = frozenset()

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Caller) and self.needed <= request.user.scopes


def scopes(*needed: str) -> type[_HasScopes]:
    """A permission class for callers who were given all of these scopes: `scopes("refunds:write")`."""
    assert needed, "name at least one scope"
    return type("HasScopes", (_HasScopes,), {"needed": frozenset(needed), "__doc__": f"Holds {' and '.join(needed)}."})
