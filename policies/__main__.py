"""The pack's entry point, for ``python -m pulumi.policy ENGINE policies`` and for the executable beside it."""

from __future__ import annotations

import sys
from pathlib import Path

# run as a folder, this folder comes first on the path, and a file here would stand for a package of the same name
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(entry for entry in sys.path if entry == "" or Path(entry).resolve() != _HERE)]

from donvi.errors import DonviError  # noqa: E402
from donvi.plugin import process  # noqa: E402
from policies.server import serve  # noqa: E402

try:
    serve()
except DonviError as error:
    sys.stderr.write(f"policy pack donvi: {error}\n")
    sys.exit(1)
process.leave()
