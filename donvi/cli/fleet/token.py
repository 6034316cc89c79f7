"""Keeps the operator's Vault token alive while a long run goes on.

A token lives an hour, changing a whole city takes longer. All engines of a run use the one it began with; renewing it
keeps its value. How long that works in all is the role's business (`token_max_ttl`).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from donvi.errors import DonviError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

EVERY_SECONDS = 900.0
"""Time between two renewals; a run that is over sooner asks for none."""

PATH = "auth/token/renew-self"


@contextmanager
def kept_alive(
    environ: Mapping[str, str], tell: Callable[[str], None], *, every: float = EVERY_SECONDS
) -> Iterator[None]:
    """Renew ``VAULT_TOKEN`` for as long as the block runs; nothing where there is none.

    :param tell: hears once when it can't be renewed, which ends nothing: the token still lives for a while.
    """
    if not all(environ.get(name) for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT")):
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(environ, tell, over, every), name="token", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _renew(environ: Mapping[str, str], tell: Callable[[str], None], over: threading.Event, every: float) -> None:
    told = False
    while not over.wait(every):
        from donvi.backends.vault import VaultClient  # a short run needs none

        try:
            VaultClient.from_env(environ).post(PATH, {})
        except DonviError as error:
            if not told:
                tell(f"the Vault token can't be renewed: {error.message}")
            told = True
