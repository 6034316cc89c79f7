"""The oracle stands on its own: it and what sends the packets know nothing of the renderer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.isolation.oracle import CORE, Fate, Port, Probe, host

if TYPE_CHECKING:
    from tests.isolation.oracle import World

HERE = Path(__file__).parent
OWN = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith(("test_", "conftest")))


def test_neither_the_oracle_nor_the_bench_imports_anything_of_donvi() -> None:
    imports = "\n".join(f"import tests.isolation.{name}" for name in OWN)
    code = f"import sys\n{imports}\nprint([name for name in sys.modules if name.split('.')[0] == 'donvi'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=HERE.parents[1]
    )
    assert "oracle" in OWN
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_oracle_says_of_well_known_packets_what_people_say(world: World) -> None:
    """Worked out by hand from city.yaml, the ledger and the catalogue, for Vũng Tàu (26506, 10.3.64.0/20)."""
    desk, counter = Port("26506", "office0"), Port("26506", "counter0")
    for probe, fate in (
        (Probe(desk, 4, "10.3.64.10", "10.0.1.20", "tcp", 8441), Fate.PASSES),
        (Probe(desk, 4, "10.3.64.199", "10.0.1.20", "tcp", 8441), Fate.PASSES),
        (Probe(desk, 4, "10.3.64.200", "10.0.1.20", "tcp", 8441), Fate.DENIED),
        (Probe(desk, 4, "10.3.64.10", "10.0.1.20", "udp", 8441), Fate.DENIED),
        (Probe(desk, 4, "10.3.64.10", "10.0.1.10", "tcp", 8441), Fate.DENIED),
        (Probe(desk, 4, "10.3.64.10", "10.0.1.10", "tcp", 993), Fate.PASSES),
        (Probe(desk, 4, "10.3.64.10", "10.0.1.20", "tcp", 8443), Fate.DENIED),
        (Probe(desk, 4, "10.3.65.10", "10.0.1.20", "tcp", 8441), Fate.FORGED),
        (Probe(counter, 4, "10.3.65.100", "10.0.1.20", "tcp", 8442), Fate.PASSES),
        (Probe(counter, 4, "10.3.65.100", "10.0.1.20", "tcp", 8441), Fate.DENIED),
        (Probe(desk, 6, "fd9b:7a3c:2900:3400::10", "fd9b:7a3c:2900:4::30", "tcp", 443), Fate.PASSES),
        (Probe(desk, 6, "fd9b:7a3c:2900:3400::10", "fd9b:7a3c:2900:1000::10", "tcp", 443), Fate.DENIED),
        (Probe(desk, 4, "10.3.64.10", "10.3.64.1", "udp", 53), Fate.ANSWERED),
        (Probe(Port("26506", "guest0"), 4, "10.3.69.10", "10.3.69.1", "udp", 53), Fate.DENIED),
        (Probe(Port("26506", "mgmt0"), 4, "192.0.2.2", "192.0.2.1", "tcp", 22), Fate.ANSWERED),
        (Probe(Port(CORE, "party0"), 4, "10.0.2.20", "10.0.1.10", "tcp", 636), Fate.PASSES),
        (Probe(Port(CORE, "party0"), 4, "10.0.2.20", "10.0.1.10", "tcp", 8200), Fate.PASSES),
        (Probe(Port(CORE, "party0"), 4, "10.0.2.20", "10.0.1.20", "tcp", 8441), Fate.DENIED),
        (Probe(Port(CORE, "gov0"), 4, "10.0.1.10", "10.3.64.10", "tcp", 22), Fate.DENIED),
    ):
        assert world.walk(probe, lambda _: True)[0] is fate, probe


def test_a_host_number_reads_the_same_in_both_families() -> None:
    assert (host("10.3.64.0/24", 10), host("fd9b:7a3c:2900:3400::/64", 10)) == (
        "10.3.64.10",
        "fd9b:7a3c:2900:3400::10",
    )
