"""Ownership: every resource says whose it is, can be looked at, and isn't lost by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from policies.model import PLATFORM, Example, Finding, Rule, StackRule, Title, Undecided
from policies.samples import DEPLOYMENT, deployment, labels, metadata
from policies.values import UNKNOWN, label, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from policies.city import CityFacts
    from policies.model import Outcome, Resource

LABEL: Final = "donvi/unit"
GROUP: Final = "donvi:directory:Group"


def _named(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    if not resource.custom:
        return  # a component makes nothing itself; its children are asked
    if resource.type.startswith("donvi:"):
        path, unit = next(walk(resource.inputs, "unit"))
    else:
        path, unit = label(resource.inputs, LABEL)
    if unit is UNKNOWN:
        yield Undecided(path)
    elif resource.stack_unit and unit != resource.stack_unit:
        yield Finding(path, f"{resource.stack_unit}, the owner of this stack")
    elif unit != PLATFORM and unit not in city.units:
        yield Finding(path, "the code of a unit in the ledger, or platform")


NAMED = Rule(
    id="resource-names-its-unit",
    subject="ownership",
    title=Title("Mỗi tài nguyên ghi rõ đơn vị của nó", "Every resource names the unit it belongs to"),
    reason="What names nobody is in nobody's report, nobody's clean-up and nobody's quota.",
    remedy='Give resources of donvi unit="<code>", objects of the cluster the label donvi/unit: "<code>".',
    standard="donvi",
    looks_at=("donvi:*", "kubernetes:*"),
    check=_named,
    kept=(
        Example(GROUP, {"unit": "26506"}),
        Example(DEPLOYMENT, deployment()),
        Example(GROUP, {"unit": "platform"}, stack_unit="platform"),
    ),
    broken=(
        Example(GROUP, {"unit": "99999"}, at=("unit",), stack_unit=""),
        Example(GROUP, {"unit": "25747"}, at=("unit",)),
        Example(DEPLOYMENT, {"metadata": {"name": "site"}}, at=('metadata.labels["donvi/unit"]',)),
        Example(DEPLOYMENT, {"metadata": {"labels": labels("25747")}}, at=('metadata.labels["donvi/unit"]',)),
    ),
)


def _inspected(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    package, _colon, rest = resource.type.partition(":")
    if resource.type.startswith("pulumi:providers:"):
        package = rest.partition(":")[2]
    elif not resource.custom:
        return
    if package not in {"donvi", "kubernetes", "pulumi"}:
        yield Finding("", "a resource of the providers donvi or kubernetes")
    elif package == "kubernetes" and (
        resource.kind.endswith(("List", "Patch"))
        or resource.type.startswith(("kubernetes:helm.sh", "kubernetes:kustomize"))
    ):
        yield Finding("", "the objects one by one, each as a resource of its own kind")


INSPECTED = Rule(
    id="only-inspected-kinds",
    subject="ownership",
    title=Title(
        "Chỉ dùng loại tài nguyên mà các quy tắc xem xét được", "Only kinds of resources that the rules can look into"
    ),
    reason="A chart, a command, a patch or a list hides what it makes from every other rule.",
    remedy="Declare the objects with pulumi_kubernetes' own types, or donvi's; a new provider needs rules first.",
    standard="donvi; CIS Kubernetes Benchmark, 5.2.1",
    looks_at=("*",),
    check=_inspected,
    kept=(Example(DEPLOYMENT, {}), Example("shop:web:Site", {}, custom=False), Example("donvi:component:Names", {})),
    broken=(
        Example("command:local:Command", {"create": "id"}, at=("",)),
        Example("kubernetes:helm.sh/v3:Release", {"chart": "nginx"}, at=("",)),
        Example("kubernetes:apps/v1:DeploymentPatch", {}, at=("",)),
        Example("kubernetes:core/v1:PodList", {"items": []}, at=("",)),
        Example("pulumi:providers:command", {}, at=("",), custom=False),
    ),
)

CLAIM: Final = "kubernetes:core/v1:PersistentVolumeClaim"


def _protected(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    if not resource.protect:
        yield Finding("", "the option protect")


PROTECTED = Rule(
    id="kept-data-is-protected",
    subject="ownership",
    title=Title(
        "Nơi lưu dữ liệu được bảo vệ khỏi bị xóa nhầm", "What holds data is protected against an accidental delete"
    ),
    reason="A refactored program that renames a volume deletes the old one, and the records on it.",
    remedy="Declare it with pulumi.ResourceOptions(protect=True); unprotect it by name when its time has come.",
    standard="donvi (retention)",
    looks_at=(CLAIM, "kubernetes:core/v1:PersistentVolume"),
    check=_protected,
    kept=(Example(CLAIM, {"metadata": metadata("store")}, protect=True),),
    broken=(Example(CLAIM, {"metadata": metadata("store")}, at=("",)),),
)

VERIFICATION: Final = "donvi:verify:Verification"
TENANCY: Final = "donvi:component:UnitTenancy"


def _verified(resources: Sequence[Resource], _: CityFacts) -> Iterator[Outcome]:
    for tenancy in resources:
        if tenancy.type == TENANCY and not any(one.type == VERIFICATION for one in resources):
            yield Finding("", "a resource donvi:verify:Verification in the stack", tenancy.urn)


VERIFIED = StackRule(
    id="unit-is-verified",
    subject="ownership",
    title=Title("Ngăn xếp của đơn vị kết thúc bằng phép kiểm chứng", "A unit's stack ends with its verification"),
    reason="Without it `up` is green though nobody can log in.",
    remedy="Compose the unit with components.UnitTenancy, which declares the verification last.",
    standard="donvi",
    looks_at=(TENANCY, VERIFICATION),
    check=_verified,
    kept=((Example(TENANCY, {}, name="unit"), Example(VERIFICATION, {"unit": "26506"}, name="verification")),),
    broken=(((Example(TENANCY, {}, name="unit"),), "unit"),),
)


def owner_of(type_: str, inputs: Any) -> str:
    """Return whose a resource says it is; empty where it doesn't say, or not yet."""
    unit = label(inputs, LABEL).value if type_.startswith("kubernetes:") else next(walk(inputs, "unit")).value
    return unit if isinstance(unit, str) else ""


RULES = (NAMED, INSPECTED, PROTECTED, VERIFIED)
