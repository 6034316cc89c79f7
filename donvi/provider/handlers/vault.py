"""Resources in Vault: policies, AppRoles, login groups, PKI roles, issuer URLs and transit keys.

The ids are the names, so an import needs nothing else; an object that nobody marked is imported under the unit whose
code is in its name, with the key that the components give such an object.
"""

from donvi.provider.handlers.vault_access import (
    AppRoleHandler,
    AppRoleInputs,
    LoginGroupHandler,
    LoginGroupInputs,
    PolicyHandler,
    PolicyInputs,
)
from donvi.provider.handlers.vault_engines import (
    PkiRoleHandler,
    PkiRoleInputs,
    PkiUrlsHandler,
    PkiUrlsInputs,
    TransitKeyHandler,
    TransitKeyInputs,
)

__all__ = [
    "AppRoleHandler",
    "AppRoleInputs",
    "LoginGroupHandler",
    "LoginGroupInputs",
    "PkiRoleHandler",
    "PkiRoleInputs",
    "PkiUrlsHandler",
    "PkiUrlsInputs",
    "PolicyHandler",
    "PolicyInputs",
    "TransitKeyHandler",
    "TransitKeyInputs",
]
