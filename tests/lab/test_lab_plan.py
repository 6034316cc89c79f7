"""What the lab reads from the city's data, and how it numbers and names machines; no machine is needed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError
from donvi.registry import city_folder
from lab import control, inventory, plan, record, topology
from lab.settings import link_name
from tests.lab.names import MACHINES, UNIT

if TYPE_CHECKING:
    from pathlib import Path

    from lab.settings import LabSettings
    from lab.topology import Topology

GOV = "services: {name: zone-gov, host: 20}"


def laid_out(lab: LabSettings) -> Topology:
    city = plan.read(lab)
    return topology.build(city, topology.numbers({}, city.machine_names()))


def test_a_unit_has_its_gateway_and_workstation_and_every_zone_a_machine(paper_lab: LabSettings) -> None:
    assert {machine.name for machine in laid_out(paper_lab).machines} == set(MACHINES)


def test_every_link_and_address_is_there_once(paper_lab: LabSettings) -> None:
    found = laid_out(paper_lab)
    ends = [(port.machine, port.name) for link in found.links for port in (link.left, link.right)]
    ends += [(switch.machine, switch.name) for switch in found.switches]
    assert len(set(ends)) == len(ends)
    addresses = [address.ip for link in found.links for port in (link.left, link.right) for address in port.addresses]
    addresses += [address.ip for switch in found.switches for address in (switch.address4, switch.address6)]
    assert len(set(addresses)) == len(addresses)
    assert all(len(name) <= 15 for _, name in ends)


def test_systems_answer_where_the_citys_data_says(
    paper_lab: LabSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answering() -> dict[str, str]:
        return {place.system: place.machine for place in plan.read(paper_lab).systems}

    assert answering() == {"documents": "zone-gov", "lgsp": "zone-gov", "mail": "dc", "tthc": "zone-gov"}
    city = shutil.copytree(city_folder(), tmp_path / "city")
    text = (city / "city.yaml").read_text()
    assert GOV in text
    monkeypatch.setenv("DONVI_CITY", str(city))
    (city / "city.yaml").write_text(text.replace(f"    {GOV}\n", ""))
    assert set(answering().values()) == {"dc"}
    (city / "city.yaml").write_text(text.replace("zone-gov, host: 20", "zone-gov, host: 30"))
    moved = laid_out(paper_lab)
    numbered = next(machine for machine in moved.machines if machine.name == "zone-gov")
    assert str(numbered.data4) == "10.0.1.30"
    deployed = inventory.deployment(paper_lab, plan.read(paper_lab), moved, "").systems
    assert deployed["documents"] == f"{paper_lab.network[numbered.number]}:8441"


def test_an_added_machine_changes_nobody_elses_number() -> None:
    before = topology.numbers({}, ["core", "dc", f"gw-{UNIT}", "gw-26740"])
    after = topology.numbers(before, ["core", "dc", "zone-gov", "gw-25747", f"gw-{UNIT}", "gw-26740", f"ws-{UNIT}"])
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == 7
    assert topology.numbers(after, [f"gw-{UNIT}"]) == after, "a machine that is gone keeps its number"


def test_gateways_of_a_lab_from_before_workstations_keep_their_numbers(paper_lab: LabSettings) -> None:
    record.save(paper_lab, record.Record(id="12", owner="/srv/clone", image="x", gateways={"26740": 16, UNIT: 17}))
    found = record.load(paper_lab)
    assert found is not None
    assert found.numbers == {"gw-26740": 16, f"gw-{UNIT}": 17}
    shown = {machine.name: machine.address for machine in control.status(paper_lab).machines}
    assert shown[f"gw-{UNIT}"] == str(paper_lab.network[17])


def test_a_management_network_that_is_too_small_is_refused(paper_lab: LabSettings) -> None:
    record.save(paper_lab, record.Record(id="12", owner="/srv/clone", image="x"))
    tight = replace(paper_lab, network=IPv4Network("172.31.253.0/28"))
    with pytest.raises(LabError, match=r"172\.31\.253\.0/28") as refused:
        control.status(tight)
    assert "DONVI_LAB_NETWORK" in refused.value.hint


@pytest.mark.parametrize("begin", ["dv-m-", "abc-m-", "p-"])
def test_link_names_fit_the_kernel_and_differ(begin: str) -> None:
    machines = ["core", f"gw-{UNIT}", "zone-national", "zone-nationality", "zone-nationalities"]
    names = {link_name(begin, machine) for machine in machines}
    assert len(names) == len(machines)
    assert all(name.startswith(begin) and len(name) <= 15 for name in names)
