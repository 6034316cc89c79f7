"""Damage to a real unit and the platform, at least one for each type of resource, as an administrator's hand does it.

Nothing is put back here: ``up --refresh`` of both stacks does that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from donvi.backends.dns import Mark, RecordSet
from donvi.backends.kubernetes.objects import SECRET
from donvi.backends.vault import PathRule, UrlsSpec, render
from donvi.fleet.drift import cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.fleet.drift.state import Resource, Stack
    from donvi.provider.services import Services
    from tests.support.lab import Lab

CLUSTER_MACHINE = "kube"
EXEMPT = {
    "donvi:verify:Verification": "a verdict of the past: nothing real stands behind it",
    "pulumi:pulumi:StackReference": "the other stack's outputs, which only its own `up` changes",
}
ACTS: dict[str, Callable[[Damage, Resource], None]] = {}


@dataclass
class Damage:
    """Where damage is done."""

    lab: Lab
    services: Services

    def modify(self, resource: Resource, **attributes: str) -> None:
        """Replace attributes of an entry."""
        values = {name: [value] for name, value in attributes.items()}
        assert self.services.directory_write.modify(resource.inputs["dn"], replace=values), resource.name

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as the cluster's administrator."""
        line = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *arguments)
        return self.lab.on(CLUSTER_MACHINE, *line, stdin=stdin)


def act(kind: str) -> Callable[[Callable[[Damage, Resource], None]], Callable[[Damage, Resource], None]]:
    """Register the damage to resources of a type."""

    def register(does: Callable[[Damage, Resource], None]) -> Callable[[Damage, Resource], None]:
        ACTS[kind] = does
        return does

    return register


def seed(damage: Damage, stacks: list[Stack]) -> set[str]:
    """Damage one resource of each type of each stack; returns the types that were damaged."""
    done = set()
    for stack in stacks:
        for resource in chosen(stack):
            _act_of(resource.type)(damage, resource)
            done.add(resource.type)
    return done


def chosen(stack: Stack) -> Iterator[Resource]:
    """Yield one resource of each type, the one whose damage takes the fewest others with it."""
    first: dict[str, Resource] = {}
    for resource in stack.resources:
        if resource.read and resource.type not in EXEMPT and (resource.type not in first or _better(resource)):
            first[resource.type] = resource
    yield from first.values()


def _better(resource: Resource) -> bool:
    """Prefer what can be damaged to the letter: a person, a functional mailbox, a record with an address."""
    kind = resource.inputs.get("kind")
    better = kind in {"person", "functional"} or resource.inputs.get("type") == "A"
    return better or len(resource.inputs.get("members") or ()) > 1


def _act_of(kind: str) -> Callable[[Damage, Resource], None]:
    return ACTS[kind] if kind in ACTS else ACTS["kubernetes"] if cluster.is_object(kind) else ACTS[kind]


@act("donvi:directory:OrganizationalUnit")
def _(damage: Damage, resource: Resource) -> None:
    damage.modify(resource, description="đổi bằng tay")


@act("donvi:directory:Account")
def _(damage: Damage, resource: Resource) -> None:
    damage.modify(resource, title="Chức vụ đổi bằng tay")


@act("donvi:directory:Group")
def _(damage: Damage, resource: Resource) -> None:
    member = resource.inputs["members"][0]
    assert damage.services.directory_write.modify(resource.inputs["dn"], remove={"member": [member]})


@act("donvi:mail:Mailbox")
def _(damage: Damage, resource: Resource) -> None:
    damage.modify(resource, donviMailQuota="77")
    if resource.inputs["kind"] == "functional":
        stranger = f"user=stranger@{resource.inputs['address'].partition('@')[2]}"
        damage.services.doveadm.acl_set(resource.inputs["address"], stranger, frozenset({"lookup", "read"}))


@act("donvi:mail:Alias")
def _(damage: Damage, resource: Resource) -> None:
    damage.modify(resource, donviMailTarget=f"nobody@{resource.inputs['target'].partition('@')[2]}")


@act("donvi:vault:Policy")
def _(damage: Damage, resource: Resource) -> None:
    from donvi.backends.vault import Owner

    vault, name = damage.services.vault, resource.inputs["name"]
    rules = [*(PathRule(**rule) for rule in resource.inputs["rules"]), PathRule("kv/data/+", ("read",))]
    vault.policy_write(name, render(Owner(resource.inputs["unit"], resource.inputs["key"]), rules))


@act("donvi:vault:AppRole")
def _(damage: Damage, resource: Resource) -> None:
    damage.services.vault.post(f"auth/approle/role/{resource.inputs['name']}", {"secret_id_num_uses": 7})


@act("donvi:vault:LoginGroup")
def _(damage: Damage, resource: Resource) -> None:
    damage.services.vault.login_group_write(resource.inputs["method"], resource.inputs["name"], ("default",))


@act("donvi:vault:PkiRole")
def _(damage: Damage, resource: Resource) -> None:
    vault, mount, name = damage.services.vault, resource.inputs["mount"], resource.inputs["name"]
    spec = vault.pki_role_read(mount, name)
    assert spec is not None
    vault.pki_role_write(mount, name, msgspec.structs.replace(spec, max_ttl_hours=spec.max_ttl_hours + 1))


@act("donvi:vault:PkiUrls")
def _(damage: Damage, resource: Resource) -> None:
    spec = UrlsSpec(issuing=tuple(resource.inputs["issuing"]), crl=("https://elsewhere.test/crl",))
    damage.services.vault.pki_urls_write(resource.inputs["mount"], spec)


@act("donvi:vault:TransitKey")
def _(damage: Damage, resource: Resource) -> None:
    damage.services.vault.owner_release("transit-key", resource.inputs["name"])


@act("donvi:dns:RecordSet")
def _(damage: Damage, resource: Resource) -> None:
    given = resource.inputs
    wanted = RecordSet(name=given["name"], type=given["type"], ttl=given["ttl"] + 1, values=tuple(given["values"]))
    mark = Mark(given["unit"], given["key"])
    damage.services.dns(given["credential"]).ensure(given["zone"], wanted, mark)


@act("donvi:pki:Certificate")
def _(damage: Damage, resource: Resource) -> None:
    certificate = resource.inputs["key"].rpartition("/")[2]
    damage.lab.on(resource.inputs["machine"], "rm", f"/etc/donvi/units/{resource.inputs['unit']}/{certificate}.crt")


@act("donvi:machine:Configuration")
def _(damage: Damage, resource: Resource) -> None:
    machine, unit = resource.inputs["machine"], resource.inputs["unit"]
    if resource.inputs["playbook"] == "router" and unit != "platform":
        damage.lab.on(machine, "rm", f"/etc/donvi/router.d/unit_{unit}.nft")
    else:
        damage.lab.on(machine, "rm", "/etc/ssh/sshd_config.d/20-donvi-hardening.conf")


@act("donvi:kubernetes:CertificateSecret")
def _(damage: Damage, resource: Resource) -> None:
    found = damage.services.kubernetes.get(SECRET, resource.inputs["namespace"], resource.inputs["name"])
    assert found is not None
    namespace, name = resource.inputs["namespace"], resource.inputs["name"]
    damage.services.kubernetes.delete(SECRET, namespace, name, uid=found["metadata"]["uid"])


@act("kubernetes")
def _(damage: Damage, resource: Resource) -> None:
    """Change a label by hand; the object itself goes on as before."""
    namespace, _, name = resource.id.rpartition("/")
    _, kind = cluster.api_kind(resource.type)
    place = ("-n", namespace) if namespace else ()
    damage.kubectl(*place, "label", "--overwrite", kind.lower(), name, "donvi/zone=by-hand")


@act("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding")
def _(damage: Damage, resource: Resource) -> None:
    namespace, _, name = resource.id.rpartition("/")
    damage.kubectl("-n", namespace, "delete", "rolebinding", name)


@act("kubernetes:networking.k8s.io/v1:NetworkPolicy")
def _(damage: Damage, resource: Resource) -> None:
    namespace, _, name = resource.id.rpartition("/")
    patch = json.dumps({"spec": {"egress": [{}], "policyTypes": ["Ingress", "Egress"]}})
    damage.kubectl("-n", namespace, "patch", "networkpolicy", name, "--patch-file=/dev/stdin", stdin=patch)


@act("kubernetes:core/v1:Namespace")
def _(damage: Damage, resource: Resource) -> None:
    """Add a note: whose a namespace is, and how its pods are kept, nobody may change by hand."""
    damage.kubectl("annotate", "namespace", resource.id, "note=by-hand")
