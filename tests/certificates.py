"""A certificate authority of the tests' own, for servers to be trusted and not to be trusted."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
_FAR_OFF = datetime(2999, 1, 1, tzinfo=UTC)


class Authority:
    """Signs certificates; `file` is what one has to trust to accept them."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = str(folder / "authority.pem")
        self._authority.cert_pem.write_to_path(self.file)

    def valid(self, *names: str) -> ssl.SSLContext:
        """A server's, for host names or addresses."""
        return _serving(self._authority.issue_cert(*names))

    def expired(self, name: str) -> ssl.SSLContext:
        """It ended a day after it began, long ago."""
        ended = _LONG_AGO + timedelta(days=1)
        return _serving(self._authority.issue_cert(name, not_before=_LONG_AGO, not_after=ended))

    def not_yet_valid(self, name: str) -> ssl.SSLContext:
        """It begins when nobody of us is here any more."""
        ends = _FAR_OFF + timedelta(days=1)
        return _serving(self._authority.issue_cert(name, not_before=_FAR_OFF, not_after=ends))

    def self_signed(self) -> ssl.SSLContext:
        """The authority's own certificate, shown as if it were a server's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        both = self._authority.private_key_pem.bytes() + self._authority.cert_pem.bytes()
        with trustme.Blob(both).tempfile() as file:
            context.load_cert_chain(file)
        return context


def _serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
