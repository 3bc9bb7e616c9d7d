"""A certificate with which an application signs in at Entra instead of with a secret: read from a file, and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ..approvals.errors import BadSetting

#: Entra takes no shorter RSA keys, and no other kind.
LEAST_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A private key and the certificate that Entra knows it by.

    Attributes:
        key: PKCS 8, PEM, not encrypted; `repr` hides it.
        certificate: PEM.
        expires_at: UTC; Entra refuses it from then on.
    """

    key: str = field(repr=False)
    certificate: str
    expires_at: datetime

    def for_msal(self) -> Mapping[str, str]:
        """As msal takes it; it names the certificate by its SHA-256 thumbprint then."""
        return {"private_key": self.key, "public_certificate": self.certificate}


def client_certificate(file: str | Path, *, now: datetime) -> ClientCertificate:
    """From a PEM file with the private key and its certificate, in any order, with or without a chain.

    Raises: BadSetting, saying what is wrong with the file.
    """
    try:
        pem = Path(file).read_bytes()
    except OSError as error:
        raise BadSetting(f"The certificate {file} cannot be read.") from error
    key = _private_key(pem, file)
    certificate = _certificate_of(key, pem, file)
    if now >= certificate.not_valid_after_utc:
        raise BadSetting(f"The certificate {file} expired on {certificate.not_valid_after_utc:%Y-%m-%d}.")
    if now < certificate.not_valid_before_utc:
        raise BadSetting(
            f"The certificate {file} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}."
        )
    return ClientCertificate(
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        expires_at=certificate.not_valid_after_utc,
    )


def _private_key(pem: bytes, file: str | Path) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:  # a passphrase was wanted
        raise BadSetting(
            f"The private key in {file} is protected by a passphrase; keep it there without one."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadSetting(f"The certificate {file} holds no private key in PEM form.") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise BadSetting(f"The private key in {file} is not an RSA key of at least {LEAST_BITS} bits.")
    return key


def _certificate_of(key: rsa.RSAPrivateKey, pem: bytes, file: str | Path) -> x509.Certificate:
    """The one certificate of the file that is the key's own; the others are its chain."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadSetting(f"{file} holds a private key, but no certificate in PEM form.") from error
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for certificate in certificates:
        info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if info == public:
            return certificate
    raise BadSetting(f"The certificate in {file} is not that of its private key.")
