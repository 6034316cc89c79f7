"""A unit's own corner of the cluster: namespaces that let nothing in or out but the flow matrix, and its applications.

Isolation comes before what it isolates: quota, limits and policies stand before the first pod. Private keys are made
by the provider and go into a Secret; neither this program nor the state ever holds one. What a namespace holds goes
with it when it is deleted, but for the certificates, which are revoked first.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap, LimitRange, Namespace, ResourceQuota, Service, ServiceAccount
from pulumi_kubernetes.networking.v1 import NetworkPolicy
from pulumi_kubernetes.rbac.v1 import RoleBinding

from components import namespaces, workloads
from components.base import Component
from components.gateway_api import Backend, Listener, TLSRoute
from donvi.provider import resources as donvi
from donvi.site import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.tenancy.app_model import App
    from donvi.tenancy.app_model import Namespace as NamespaceSpec
    from donvi.tenancy.model import Certificate

FORCE = {"pulumi.com/patchForce": "true"}
"""On what sizes a unit: `kubectl scale` takes a field over in a way that no repair could undo without force."""

DEADLINES = pulumi.CustomTimeouts(create="4m", update="4m", delete="3m")
PART = "unit"
"""Name of the one quota and the one range of limits of a namespace."""


@dataclass(frozen=True)
class AppsConfig:
    """What a unit has in the cluster.

    :param unit: official code.
    :param after: PKI roles by which the apps' certificates are signed.
    """

    unit: str
    namespaces: tuple[NamespaceSpec, ...]
    apps: tuple[App, ...]
    after: tuple[pulumi.Resource, ...] = ()


class Apps(Component):
    """Namespaces with all that isolates them, then per app: page, certificate, pods, Service, route."""

    def __init__(self, name: str, config: AppsConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Apps", name, opts)
        self.unit = config.unit
        self.objects: list[pulumi.CustomResource] = []
        self.certificates: dict[str, donvi.CertificateSecret] = {}
        for space in config.namespaces:
            made = Space(self, space)
            for app in config.apps:
                if app.namespace == space.id:
                    self.certificates[app.id] = self._app(made, app, config.after)
        self.finish(
            urls={app.id: f"https://{app.host}/" for app in config.apps},
            serials={id_: certificate.serial for id_, certificate in self.certificates.items()},
        )

    @property
    def versions(self) -> pulumi.Output[str]:
        """A digest that changes with every object in the cluster that was made again or changed."""
        marks = pulumi.Output.all(*(_version(item) for item in self.objects))
        return marks.apply(lambda known: sha256(" ".join(known).encode()).hexdigest()[:16])

    def _app(self, space: Space, app: App, after: Iterable[pulumi.Resource]) -> donvi.CertificateSecret:
        files = render(app.page) if app.page else {}
        page = workloads.page_name(app, files) if files else ""
        contents: list[pulumi.Resource] = [self._page(space, app, page, files)] if files else []
        certificate = self._certificate(space, app, app.certificate, after)
        pods = Deployment(
            f"{space.id}/{app.id}",
            metadata=space.metadata(app.id, app.system, FORCE),
            spec=workloads.deployment(app, self.unit, page),
            opts=space.inside(space.isolation, contents, [certificate], timeouts=DEADLINES),
        )
        service = Service(
            f"{space.id}/{app.id}",
            metadata=space.metadata(app.id, app.system),
            spec=workloads.service(app),
            opts=space.inside([pods], timeouts=DEADLINES),
        )
        route = TLSRoute(
            f"{space.id}/{app.id}",
            metadata=space.metadata(app.id, app.system),
            listener=Listener(app.route.gateway, app.route.gateway_namespace, app.route.listener),
            hostnames=[app.route.host],
            backend=Backend(app.id, app.route.port),
            opts=space.inside([service], timeouts=DEADLINES),
        )
        self.objects += [pods, service, route]
        return certificate

    def _page(self, space: Space, app: App, name: str, files: dict[str, str]) -> ConfigMap:
        page = ConfigMap(
            f"{space.id}/{app.id}-page",
            metadata=space.metadata(name, app.system),
            data=files,
            immutable=True,
            opts=space.inside(),
        )
        self.objects.append(page)
        return page

    def _certificate(
        self, space: Space, app: App, spec: Certificate, after: Iterable[pulumi.Resource]
    ) -> donvi.CertificateSecret:
        """The only child that isn't left to the namespace's end: it is revoked."""
        certificate = donvi.CertificateSecret(
            f"{space.id}/{app.secret}",
            unit=self.unit,
            key=f"certificate-secret/{spec.id}",
            namespace=space.id,
            name_=app.secret,
            labels=namespaces.labels(self.unit, app.zone, app.system),
            mount=spec.mount,
            role=spec.role,
            common_name=spec.common_name,
            dns_names=spec.dns_names,
            uris=spec.uris,
            usages=spec.usages,
            ttl_hours=spec.ttl_hours,
            opts=self.own([space.resource, *space.isolation], after),
        )
        self.keep(certificate)
        return certificate


class Space:
    """One namespace, and the objects that isolate it."""

    def __init__(self, component: Apps, spec: NamespaceSpec) -> None:
        self.id = spec.id
        self._spec = spec
        self._component = component
        opts = pulumi.ResourceOptions(parent=component, custom_timeouts=DEADLINES)
        self.resource = Namespace(spec.id, metadata=namespaces.namespace_metadata(spec), opts=opts)
        self.isolation: list[pulumi.CustomResource] = [*self._bounds(), *self._policies()]
        component.objects += [self.resource, *self.isolation, *self._bindings()]

    def metadata(self, name: str, system: str = "", annotations: dict[str, str] | None = None) -> Any:
        """Return name, labels and annotations of an object in the namespace."""
        found = namespaces.metadata(self._spec, name, system)
        if annotations:
            found.annotations = annotations
        return found

    def inside(
        self, *after: Iterable[pulumi.Resource], timeouts: pulumi.CustomTimeouts | None = None
    ) -> pulumi.ResourceOptions:
        """Options of an object in the namespace: made after the given ones, and gone with the namespace."""
        return pulumi.ResourceOptions(
            parent=self._component,
            depends_on=[self.resource, *(item for group in after for item in group)],
            deleted_with=self.resource,
            custom_timeouts=timeouts,
        )

    def _bounds(self) -> list[pulumi.CustomResource]:
        spec = self._spec
        return [
            ResourceQuota(
                f"{self.id}/{PART}", metadata=self.metadata(PART), spec=namespaces.quota(spec), opts=self.inside()
            ),
            LimitRange(
                f"{self.id}/{PART}", metadata=self.metadata(PART), spec=namespaces.limits(spec), opts=self.inside()
            ),
            # the cluster makes it in every namespace; it is taken over, so that no pod gets a token by default
            ServiceAccount(
                f"{self.id}/default",
                metadata=self.metadata("default"),
                automount_service_account_token=False,
                opts=self.inside(),
            ),
        ]

    def _policies(self) -> list[pulumi.CustomResource]:
        return [
            NetworkPolicy(
                f"{self.id}/{rule.id}",
                metadata=self.metadata(rule.id),
                spec=namespaces.policy(rule),
                opts=self.inside(),
            )
            for rule in self._spec.rules
        ]

    def _bindings(self) -> list[pulumi.CustomResource]:
        return [
            RoleBinding(
                f"{self.id}/{binding.id}",
                metadata=self.metadata(binding.id, binding.system),
                role_ref=namespaces.role_reference(binding),
                subjects=namespaces.subjects(binding),
                opts=self.inside(),
            )
            for binding in self._spec.bindings
        ]


def _version(item: pulumi.CustomResource) -> pulumi.Output[str]:
    """What changes when an object was made again or its specification changed, and not with its status."""
    metadata: pulumi.Output[Any] = pulumi.get(item, "metadata")
    counts_use = isinstance(item, ResourceQuota)  # its status, and with it the resource version, follows the pods

    def text(known: Any) -> str:
        def of(snake: str, camel: str) -> str:
            typed = hasattr(type(known), snake)  # a typed value is a dict too, by other names
            return str((getattr(known, snake) if typed else known.get(camel)) or "")

        version = of("generation", "generation") or ("" if counts_use else of("resource_version", "resourceVersion"))
        return f"{of('uid', 'uid')}/{version}"

    return metadata.apply(text)
