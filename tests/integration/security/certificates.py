"""A CA of our own, and what it signs, in the forms that servers and clients want."""

from __future__ import annotations

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate

from cryptoproxy.engines import secure

HOSTS = ("127.0.0.1", "localhost")


def write(folder: Path, authority: trustme.CA, name: str, common_name: str | None = None) -> secure.Pem:
    """Certificate and key (as PKCS#8) of ``name``, and the CA, as PEM files."""
    folder.mkdir(parents=True, exist_ok=True)
    leaf = authority.issue_cert(*HOSTS, common_name=common_name)
    pem = secure.Pem(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt")
    leaf.cert_chain_pems[0].write_to_path(pem.certificate)
    authority.cert_pem.write_to_path(pem.ca)
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    pem.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem


def bundle(pem: secure.Pem, password: str) -> bytes:
    """As PKCS#12."""
    key = load_pem_private_key(pem.key.read_bytes(), None)
    certificate = load_pem_x509_certificate(pem.certificate.read_bytes())
    encryption = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"server", key, certificate, None, encryption)  # type: ignore[arg-type]
