"""Objects as plain JSON, and the two things the engine adds to them: secrets and values that aren't known yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.plugin.wire import UNKNOWN, Secret, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from donvi.plugin.wire import Properties

DASHED = {
    name.replace("-", "_"): name
    for name in (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
}
"""Schema fields whose names the SDK can't spell."""
UNDERSCORED = {dashed: name for name, dashed in DASHED.items()}
SERVERS_OWN = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
"""Metadata that only the API server writes."""


def plain(value: Any) -> Any:
    """Return the value without secret wrappers and with the API's spelling of names."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {DASHED.get(key, key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def spelled(value: Any) -> Any:
    """Return the value with the SDK's spelling of names, and whole numbers too large for the engine as text."""
    if isinstance(value, dict):
        return {UNDERSCORED.get(key, key): spelled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def wanted(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is sent to the API: plain inputs without what only the server writes."""
    value: dict[str, Any] = plain(dict(inputs))
    value.pop("status", None)
    if isinstance(metadata := value.get("metadata"), dict):
        value["metadata"] = {key: item for key, item in metadata.items() if key not in SERVERS_OWN}
    return value


def secretly(value: Any, like: Any) -> Any:
    """Return the value with secrets where ``like`` has them."""
    if isinstance(like, Secret):
        return value if isinstance(value, Secret) else Secret(value)
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: secretly(item, like[key]) if key in like else item for key, item in value.items()}
    if isinstance(value, list) and isinstance(like, list):
        if len(value) == len(like):
            return [secretly(item, other) for item, other in zip(value, like, strict=True)]
        return Secret(value) if any(_has_secret(item) for item in like) else value
    return value


def guarded(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties with the values of a ``Secret`` as secrets, whatever the program called them."""
    if properties.get("kind") != "Secret" or properties.get("apiVersion") != "v1":
        return dict(properties)
    return {
        key: Secret(item) if key in {"data", "stringData"} and not isinstance(item, Secret) and item else item
        for key, item in properties.items()
    }


def confidential(value: Any, *, inside: bool = False) -> Iterator[str]:
    """Yield every text inside secrets, to keep it out of messages."""
    if isinstance(value, Secret):
        yield from confidential(value.value, inside=True)
    elif isinstance(value, dict):
        for item in value.values():
            yield from confidential(item, inside=inside)
    elif isinstance(value, list):
        for item in value:
            yield from confidential(item, inside=inside)
    elif inside and isinstance(value, str):
        yield value


def metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's metadata, empty when it isn't there or isn't known."""
    found = plain(value.get("metadata"))
    return found if isinstance(found, dict) else {}


def text_of(value: Mapping[str, Any], name: str) -> str:
    """Return a text of the metadata, empty when it isn't there or isn't known."""
    found = metadata(value).get(name)
    return found if isinstance(found, str) else ""


def annotation(value: Mapping[str, Any], name: str) -> str:
    """Return one of Pulumi's annotations by its name behind ``pulumi.com/``."""
    found = metadata(value).get("annotations")
    text = found.get(f"pulumi.com/{name}") if isinstance(found, dict) else None
    return text if isinstance(text, str) else ""


def identifier(value: Mapping[str, Any]) -> str:
    """Return an object's id: ``namespace/name``, or the name alone."""
    namespace, name = text_of(value, "namespace"), text_of(value, "name")
    return f"{namespace}/{name}" if namespace else name


def split(identifier: str) -> tuple[str, str]:
    """Return namespace and name of an id."""
    namespace, _, name = identifier.rpartition("/")
    return namespace, name


def is_unknown(value: Any) -> bool:
    """Say whether the value itself isn't known yet."""
    return isinstance(value, Unknown) or value is UNKNOWN or (isinstance(value, Secret) and is_unknown(value.value))


def state(live: Mapping[str, Any], inputs: Properties, manager: str) -> dict[str, Any]:
    """Return what the engine records of an object: itself, the inputs it was made of, its field manager."""
    kept = guarded(secretly(spelled(dict(live)), inputs))
    own = {key: item for key, item in inputs.items() if not key.startswith("__")}
    return {
        **kept,
        "__inputs": guarded(own),
        "__initialApiVersion": str(live.get("apiVersion", "")),
        "__fieldManager": manager,
    }


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_secret(item) for item in value)
    return isinstance(value, Secret)
