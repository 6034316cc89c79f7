"""Names: of objects the program didn't name, and of the field manager each resource applies by."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from donvi.errors import UsageError
from lab.kubernetes_plugin.values import annotation, is_unknown, metadata, plain, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.plugin.wire import Properties

AUTONAMED = "pulumi.com/autonamed"
DIGITS = 8


def field_manager(urn: str, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """Return the field manager of a resource: the program's choice, else the recorded one, else one of its own.

    The official plugin draws a random suffix; here it follows from the URN, so that a run that was killed after it
    applied something finds its own mark again.
    """
    if chosen := annotation(inputs, "patchFieldManager"):
        return chosen
    recorded = state.get("__fieldManager")
    if isinstance(recorded, str) and recorded:
        return recorded
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:DIGITS]}"


def named(news: Properties, olds: Properties, urn: str, seed: bytes, proposed: str) -> Properties:
    """Return the inputs with a name: the program's, else the one given before, else a new one that is marked so.

    :param seed: from the engine; the same for the same resource in one run.
    :param proposed: a name the engine's own configuration asks for.
    :raises UsageError: the program wants the server to make the name, which server-side apply can't.
    """
    if is_unknown(news.get("metadata")) or text_of(news, "name") or is_unknown(metadata(news).get("name")):
        return news
    if metadata(news).get("generateName"):
        raise UsageError(
            "metadata.generateName can't be used with server-side apply", hint="Leave the name out, or give a name"
        )
    before = metadata(olds)
    kept = before.get("name") if (before.get("annotations") or {}).get(AUTONAMED) == "true" else ""
    name = kept or proposed or f"{urn.rpartition('::')[2]}-{_suffix(seed)}"
    own: dict[str, Any] = dict(plain(news.get("metadata")) or {})
    notes = own.get("annotations")
    if not is_unknown(notes):
        own["annotations"] = {**(notes or {}), AUTONAMED: "true"}
    own["name"] = name
    return {**news, "metadata": own}


def is_autonamed(inputs: Mapping[str, Any]) -> bool:
    """Say whether the name was made here."""
    return annotation(inputs, "autonamed") == "true"


def _suffix(seed: bytes) -> str:
    return hashlib.sha256(seed).hexdigest()[:DIGITS] if seed else secrets.token_hex(DIGITS // 2)
