"""Files of Secrets: self-signed certificates and tokens, as kubelet mounts them."""

from __future__ import annotations

import subprocess
from pathlib import Path


def secret(directory: Path, **values: bytes) -> None:
    """The Secret's files as they now are."""
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        if path.name not in values:
            path.unlink()
    for name, value in values.items():
        (directory / name.replace("_", ".")).write_bytes(value)


def certificate(directory: Path, name: str) -> None:
    """A self-signed one for that name, as kubernetes.io/tls has it."""
    directory.mkdir(exist_ok=True)
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name}"
    files = ["-keyout", str(directory / "tls.key"), "-out", str(directory / "tls.crt")]
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", *files], check=True, capture_output=True
    )
