"""``images.yaml``: the container images that run for units, each pinned by its digest."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from donvi.registry.documents import read_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# a registry's name, a repository's, and the digest; the grammar of the OCI distribution specification
_REFERENCE = re.compile(
    r"(?P<repository>[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-][a-z0-9]+)*)+)@(?P<digest>sha256:[0-9a-f]{64})"
)

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

Reference = Annotated[str, Meta(min_length=1, max_length=255)]


class Image(Struct, frozen=True, kw_only=True):
    """An image: ``reference`` is ``registry/repository@sha256:…``, so what runs can't change under its name."""

    id: str
    reference: str

    @property
    def repository(self) -> str:
        """The reference without its digest."""
        return self.reference.partition("@")[0]

    @property
    def digest(self) -> str:
        """``sha256:`` and 64 hexadecimal digits."""
        return self.reference.partition("@")[2]


class ImageEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One image of the file."""

    image: Reference


class Images(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file: images by id."""

    images: dict[str, ImageEntry]


def read_images(path: Path) -> Mapping[str, Image]:
    """Return the images by id.

    :raises DataError: an id that isn't one, a reference that isn't one or has no digest; at its row and column.
    """
    document = read_document(path)
    found = {}
    for id_, entry in sorted(document.parse(Images).images.items()):
        if not _ID.fullmatch(id_):
            raise document.error(f"$.images.{id_}", f"{id_!r} isn't an image's id", "small letters, digits and hyphens")
        if not _REFERENCE.fullmatch(entry.image):
            message = f"{entry.image!r} doesn't pin the image {id_} by its digest"
            hint = "write registry/repository@sha256: and 64 hexadecimal digits; a tag may mean another image tomorrow"
            raise document.error(f"$.images.{id_}.image", message, hint)
        found[id_] = Image(id=id_, reference=entry.image)
    return MappingProxyType(found)
