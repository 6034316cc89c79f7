"""What the size of the fleet costs: 168 units, the whole country, and one unit in each.

    python -m tests.bench.scale [--repeat 3]

Processor seconds of this process (the least of the repetitions) and the peak of its memory; no servers, no engine.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.fleet.affected import affected
from donvi.fleet.operator import Choices, Places, bundle, render
from donvi.fleet.select import Selection, choose
from donvi.registry import load_city
from donvi.registry.ledger import read_ledger
from donvi.tenancy import describe
from tests.support import nationwide

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.registry import City

UNIT = "26506"
REPOSITORY = Path(__file__).parents[2]
DEPLOYMENT = (
    '{"city_domain":"city.test","vault":{"address":"https://127.0.0.1:1"},"directory":{"url":""},'
    '"mail":{"smtp":"","submission":"","imap":"","doveadm":""},"dns":{"server":""}}'
)


def main() -> None:
    """Measure both sizes and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as scratch:
        own = Path(shutil.copytree(nationwide.CITY, Path(scratch) / "own/city"))
        country = nationwide.write(Path(scratch) / "country/city")
        columns = [_measure(_edited(folder), repeat) for folder in (own, country)]
    sizes = [len(load_city(nationwide.CITY).units), nationwide.UNITS]
    print(f"{'':34}{sizes[0]:>10}{sizes[1]:>10}   ratio")
    for name, small in columns[0].items():
        large = columns[1][name]
        print(f"{name:34}{small:10.4f}{large:10.4f}{large / small:8.1f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def _measure(folder: Path, repeat: int) -> dict[str, float]:
    city = load_city(folder)
    work: dict[str, Callable[[], object]] = {
        "verify the ledger": lambda: read_ledger(folder / "ledger.csv", city.settings),
        "read the city": lambda: load_city(folder),
        "what one edited roster touches": lambda: _touched(city),
        "describe one unit": lambda: describe(city, UNIT),
        "describe all": lambda: _all(city),
        "select one by name": lambda: choose(city, Selection(units=("vung tau",))),
        "select a wave": lambda: choose(city, Selection(waves=(1,))),
        "operator manifests": lambda: _manifests(city),
    }
    return {name: min(_seconds(one) for _ in range(repeat)) for name, one in work.items()}


def _edited(folder: Path) -> Path:
    """Put a city under version control, then add a person to one unit's roster."""
    git = ["git", "-C", str(folder), "-c", "user.name=bench", "-c", "user.email=bench@city.test"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "as it was"]):
        subprocess.run([*git, *command], check=True)
    with (folder / f"people/{UNIT}.csv").open("a", encoding="utf-8") as roster:
        roster.write("cb-999999,Lý Thường Kiệt,clerk,kiet.ly-thuong,99,yes\n")
    return folder


def _touched(city: City) -> None:
    found = affected(city, REPOSITORY, "HEAD")
    units = {stack for stack, why in found.stacks.items() if any(reason.startswith("accounts") for reason in why)}
    assert units == {"26506-vung-tau"}, units


def _all(city: City) -> None:
    for code in city.units:
        describe(city, code)


def _manifests(city: City) -> str:
    targets = choose(city, Selection(everything=True))
    return render(bundle(city, targets, Places(DEPLOYMENT, "", ""), Choices(image="donvi:1")))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
