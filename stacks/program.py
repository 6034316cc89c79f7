"""What each stack declares."""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache, partial
from typing import TYPE_CHECKING

import pulumi

from components import CityPlatform, CityPlatformConfig, UnitTenancy, UnitTenancyConfig
from donvi.deployment import parse, text_from_environment
from donvi.errors import DonviError, UsageError
from donvi.kubeconfig import kubeconfig
from donvi.provider.resources import CityProvider
from donvi.registry import load_city
from donvi.tenancy import describe, names, platform_description

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from donvi.registry import City
    from donvi.tenancy import Tenancy

PLATFORM = "platform"


def run(stack: str) -> None:
    """Declare the resources of a stack; a unit's come when the engine has answered what ``platform`` says.

    :raises UsageError: the city has no such stack, or the deployment isn't known.
    :raises DataError: the city's data is wrong.
    """
    city = the_city()
    if stack == PLATFORM:
        _platform(city)
    else:
        pulumi.run(partial(_unit, city, unit_code(city, stack)))


@cache
def the_city() -> City:
    """Return the city's data; a process reads it once.

    :raises DataError: it is wrong.
    """
    return load_city()


def unit_code(city: City, stack: str) -> str:
    """Return the code of the unit whose stack it is.

    :raises UsageError: no unit has such a stack; the message names the nearest one.
    """
    code = stack.partition("-")[0]
    allotment = city.allotments.get(code)
    if allotment is None:
        raise UsageError(
            f"there is no stack {stack}: the ledger has no unit {code}",
            hint="a stack is `platform` or `<code>-<slug>`; `donvi units` lists the codes",
        )
    right = names.stack(allotment)
    if stack != right:
        raise UsageError(f"unit {code} has no stack {stack}", hint=f"its stack is {right}")
    return code


def _platform(city: City) -> None:
    deployment = text_from_environment(os.environ)
    opts = _city(deployment)
    platform = CityPlatform("city", CityPlatformConfig(platform_description(city), _machine_preview()), opts)
    pulumi.export("deployment", deployment)
    pulumi.export("domain", city.settings.domain)
    pulumi.export("changedAt", platform.changed_at)


async def _unit(city: City, code: str) -> None:
    """Declare a unit's resources, but for those that need a machine of it that the deployment hasn't.

    Which machines there are must be known here and not only to the engine: resources declared inside an output are
    missing from every preview in which that output is unknown.
    """
    tenancy = describe(city, code)
    loaded = _loading(tenancy)
    platform = pulumi.StackReference(f"organization/{pulumi.get_project()}/{PLATFORM}")
    deployment = platform.get_output("deployment")
    said = await platform.get_output_details("deployment")
    try:
        known = parse(_brought_up(said.value))
        opts = cluster_options(city, deployment) if tenancy.apps else _city(deployment)
        await loaded
        config = UnitTenancyConfig(tenancy, city.settings.domain, frozenset(known.machines), _machine_preview())
        unit = UnitTenancy("unit", config, opts)
    except DonviError as error:
        raise pulumi.RunError(str(error)) from None
    pulumi.export("unit", {"code": code, "name": tenancy.unit.name, "domain": tenancy.unit.domain})
    pulumi.export("endpoints", unit.said_of_endpoints)
    pulumi.export("verdict", unit.verification.verdict)
    pulumi.export("verifiedAt", unit.verification.finished_at)


def _loading(tenancy: Tenancy) -> Awaitable[object]:
    """Begin to load the types of Kubernetes if the unit needs them.

    That takes as long as the engine needs to answer and to start the providers, so it is done meanwhile.
    """

    def load() -> None:
        if tenancy.apps:
            import components.apps  # noqa: F401

    return asyncio.get_running_loop().run_in_executor(None, load)


def _machine_preview() -> str:
    """How previews treat machines: ``pulumi config set donvi:machinePreview rendered`` opens no SSH."""
    return pulumi.Config().get("machinePreview") or "checked"


def _brought_up(deployment: object) -> str:
    """Return the platform's output.

    :raises UsageError: there is none yet.
    """
    if not isinstance(deployment, str):
        raise UsageError(f"the stack {PLATFORM} doesn't say where the systems are", hint="run `pulumi up -s platform`")
    return deployment


def _city(deployment: pulumi.Input[str], *more: pulumi.ProviderResource) -> pulumi.ResourceOptions:
    provider = CityProvider("city", deployment=deployment)
    return pulumi.ResourceOptions(providers=[provider, *more])


def cluster_options(city: City, deployment: pulumi.Output[str]) -> pulumi.ResourceOptions:
    """Return the options of what also has objects in the cluster.

    The cluster's provider logs in by ``donvi cluster credential``, so that the state holds no credential. What exists
    already is taken over as far as it doesn't contradict: the account that the cluster makes in every namespace, and
    whatever a run made that was killed before it could record it.
    """
    from pulumi_kubernetes import Provider  # the platform's program need not wait for it

    provider = Provider(
        "cluster",
        kubeconfig=deployment.apply(_kubeconfig),
        cluster_identifier=city.settings.id,  # new addresses or a new root don't replace everything
        enable_server_side_apply=True,
        upsert_existing_objects=True,
    )
    return _city(deployment, provider)


def _kubeconfig(deployment: str) -> str:
    """What the cluster is reached by; an engine error without a trace when the deployment has none."""
    try:
        return json.dumps(kubeconfig(parse(deployment)), sort_keys=True)
    except UsageError as error:
        raise pulumi.RunError(f"the unit has an app in the cluster, but {error}") from None
