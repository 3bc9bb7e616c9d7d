"""What an application signs to prove who it is (RFC 7523), judged as Entra does, and stricter: each is good once."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: An assertion may live this long, seconds.
_LONGEST_LIFE = 600


class AssertionRefused(Exception):
    """Why, in Entra's manner: its error number and a sentence."""


class Certificates:
    """The certificates that are registered for one application."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._known: dict[str, x509.Certificate] = {}
        self._seen: set[str] = set()

    def register(self, pem: bytes) -> None:
        """From now on this certificate stands for the application."""
        certificate = x509.load_pem_x509_certificate(pem)
        print_ = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256()))
        self._known[print_.decode().rstrip("=")] = certificate

    def clear(self) -> None:
        """An administrator took all of them away."""
        self._known.clear()

    def check(self, form: Mapping[str, str], *, audience: str, now: float) -> None:
        """Whether `client_assertion` speaks for the application. Raises: AssertionRefused.

        Args:
            audience: The token endpoint.
            now: Seconds since 1970 on the service's clock.
        """
        if form.get("client_assertion_type") != TYPE or form.get("client_id") != self._client_id:
            raise AssertionRefused("AADSTS90023: wrong client_assertion_type or client_id")
        claims = self._claims(form["client_assertion"], audience, now)
        if not claims["iat"] - 300 <= now < claims["exp"] <= now + _LONGEST_LIFE + 60:
            raise AssertionRefused("AADSTS700024: the assertion is not within its valid time range")
        if claims["sub"] != self._client_id:
            raise AssertionRefused("AADSTS700021: subject and issuer must be the application")
        if claims["jti"] in self._seen:
            raise AssertionRefused("AADSTS700027: this assertion was shown before")
        self._seen.add(claims["jti"])

    def _claims(self, assertion: str, audience: str, now: float) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(assertion)
            certificate = self._known.get(str(header.get("x5t#S256", "")).rstrip("="))
            if certificate is None:
                raise AssertionRefused("AADSTS700027: no such certificate is registered for the application")
            if (
                not certificate.not_valid_before_utc.timestamp()
                <= now
                < certificate.not_valid_after_utc.timestamp()
            ):
                raise AssertionRefused("AADSTS1000502: the certificate is not within its valid time range")
            claims: dict[str, Any] = jwt.decode(
                assertion, certificate.public_key(),  # type: ignore[arg-type]  # PyJWT checks the kind of key
                algorithms=["RS256", "PS256"], audience=audience, issuer=self._client_id,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False,
                         "require": ["aud", "iss", "sub", "exp", "iat", "jti"]},
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            raise AssertionRefused(f"AADSTS700027: the assertion fails its checks ({error})") from error
        return claims
