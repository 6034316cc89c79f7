"""What requests and answers are made of; apart from ``client``, so that nobody loads an HTTP library to name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said, and what it warned of."""

    body: Any
    warnings: tuple[str, ...] = ()
