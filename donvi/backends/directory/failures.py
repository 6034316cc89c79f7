"""What the directory's refusals mean, in donvi's errors; every message names the entry."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import bonsai

from donvi.errors import BackendError, ConflictError, DonviError, PermissionDeniedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

REMEDY = "see whether it runs: `uv run donvi lab status`, then `systemctl status slapd` on its machine; then run again"


@contextmanager
def translated(action: str, url: str, bind_dn: str) -> Iterator[None]:
    """Turn bonsai's errors into donvi's.

    :param action: what was being done, with the entry's name: ``add uid=…``.
    """
    try:
        yield
    except DonviError:
        raise
    except (bonsai.errors.ConnectionError, bonsai.errors.ClosedConnection) as error:
        raise UnreachableError(f"the directory at {url} went away while asked to {action}", hint=REMEDY) from error
    except bonsai.errors.TimeoutError as error:
        raise _too_late(action, url) from error
    except SystemError as error:  # what bonsai raises when a write times out
        raise _too_late(action, url) from error
    except bonsai.errors.AuthenticationError as error:
        raise PermissionDeniedError(
            f"the directory at {url} doesn't let {bind_dn} in",
            hint="its password in Vault (kv/backends/directory) isn't the directory's; `make up` sets both anew",
        ) from error
    except bonsai.errors.InsufficientAccess as error:
        raise PermissionDeniedError(
            f"{bind_dn} may not {action} at {url}",
            hint="take a token of the role apply: `uv run donvi lab env`; the role preview can't write",
        ) from error
    except bonsai.errors.NotAllowedOnNonleaf as error:
        raise ConflictError(f"can't {action}: entries lie below it", hint="remove them first") from error
    except bonsai.errors.AlreadyExists as error:
        raise ConflictError(f"can't {action}: it exists already", hint="adopt it with `pulumi import`") from error
    except bonsai.LDAPError as error:
        reason = str(error.args[0] if error.args else error).rstrip(". ")
        raise BackendError(
            f"the directory at {url} refused to {action}: {reason}",
            hint="correct the input that the reason names; the server's log has more",
        ) from error


def _too_late(action: str, url: str) -> UnreachableError:
    return UnreachableError(f"the directory at {url} didn't answer in time when asked to {action}", hint=REMEDY)
