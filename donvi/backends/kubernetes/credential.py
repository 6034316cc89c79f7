"""An operator's credential for the cluster; see :mod:`donvi.backends.client_certificate`."""

from donvi.backends.client_certificate import Credential, issue

__all__ = ["Credential", "issue"]
