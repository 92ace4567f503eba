"""The CA bundle of a server as a file, the only form that libpq and the servers' own clients take."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .model import DatabaseError, Endpoint


@contextmanager
def ca_bundle(endpoint: Endpoint) -> Iterator[str]:
    """The path of the CA bundle; one that came as text is a file for as long as this lasts."""
    if not endpoint.ca_pem and not Path(endpoint.ca_file).is_file():
        raise DatabaseError(
            f"the CA bundle {endpoint.ca_file or '(none given)'} is not there. Remedy: give the certificate authority "
            f"of {endpoint.where} (ca_file or ca_pem)."
        )
    try:
        ssl.create_default_context(cafile=endpoint.ca_file or None, cadata=endpoint.ca_pem or None)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise DatabaseError(
            f"the CA bundle for {endpoint.where} cannot be used: {error}. Remedy: give certificates in PEM form."
        ) from error
    if not endpoint.ca_pem:
        yield endpoint.ca_file
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(endpoint.ca_pem)
        file.flush()
        yield file.name
