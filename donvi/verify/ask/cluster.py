"""Asks the cluster about a unit's own corner of it, as the verifier, and as an administrator of the unit.

The verifier only reads; what must be refused it sends as a dry run, so that nothing is made even where nothing refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from donvi.backends.client_certificate import issue, trust
from donvi.backends.person_login import person
from donvi.errors import BackendError, DonviError, PermissionDeniedError
from donvi.tenancy.access import administrators, person_role
from donvi.verify.ask import NO_PASSWORD, InconclusiveError
from donvi.verify.ask.api import DRY_RUN, ClusterApi, Reply, core, grouped

if TYPE_CHECKING:
    from donvi.deployment import ClusterPlace
    from donvi.tenancy.app_model import App, Namespace
    from donvi.tenancy.model import Account
    from donvi.verify.ask.context import Context

UNIT_LABEL = "donvi/unit"
NAME_LABEL = "app.kubernetes.io/name"
MEGABYTE = "Mi"


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """How many pods of an app there should be, and are."""

    declared: int
    ready: int
    detail: str = ""  # why not all are, in the cluster's words


class Administrator(msgspec.Struct, frozen=True, kw_only=True):
    """What an administrator of the unit may do, tried after a login like a person's."""

    login: str = ""  # "" when the login failed
    detail: str = ""
    own: Reply = Reply()  # pods of the unit's own namespace
    secrets: Reply = Reply()
    removal: Reply = Reply()  # of a pod, as a dry run
    foreign: dict[str, Reply] = {}  # pods of other units' namespaces, and of all, by path


class ClusterAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was asked about one unit."""

    workloads: dict[str, Workload]  # by app
    quotas: dict[str, tuple[str, ...]]  # names of the quotas, by namespace
    greedy: dict[str, Reply]  # a pod above the quota, by namespace
    privileged: dict[str, Reply]  # a pod that reaches into its host, by namespace


def ask_cluster(context: Context) -> ClusterAnswers | None:
    """Ask everything; ``None`` when the unit has nothing in a cluster.

    :raises InconclusiveError: the deployment has no cluster, it doesn't answer, or not to the verifier.
    """
    tenancy = context.tenancy
    if not tenancy.namespaces:
        return None
    api = verifier(context)
    try:
        return ClusterAnswers(
            workloads={app.id: _workload(api, app) for app in tenancy.apps},
            quotas={space.id: _quotas(api, space) for space in tenancy.namespaces},
            greedy={space.id: _try(api, space, greedy_pod(space)) for space in tenancy.namespaces},
            privileged={space.id: _try(api, space, privileged_pod(space)) for space in tenancy.namespaces},
        )
    finally:
        api.close()


def ask_administrator(context: Context) -> Administrator | None:
    """Log in like a person, and try; ``None`` when the unit has nothing in a cluster.

    :raises InconclusiveError: nobody can log in now, or the cluster doesn't answer.
    """
    if not context.tenancy.namespaces:
        return None
    api = verifier(context)
    try:
        foreign = _foreign(context, api)
    finally:
        api.close()
    return _administrator(context, cluster_place(context), foreign)


def cluster_place(context: Context) -> ClusterPlace:
    """Return where the cluster is.

    :raises InconclusiveError: the deployment doesn't say.
    """
    if context.deployment.cluster is None:
        raise InconclusiveError("the deployment has no cluster, so nobody can be asked")
    return context.deployment.cluster


def verifier(context: Context) -> ClusterApi:
    """Return the cluster's API as the verifier sees it.

    :raises InconclusiveError: Vault gives no certificate.
    """
    try:
        credential = issue(context.deployment.vault.address, context.verifier_token, context.ca_file)
    except DonviError as error:
        raise InconclusiveError(f"the verifier gets no certificate for the cluster: {error.message}") from None
    return ClusterApi(cluster_place(context), credential)


def restricted_pod(space: Namespace, containers: int) -> dict[str, Any]:
    """Return a pod that Pod Security lets in, each of its containers as large as the namespace allows one to be."""
    share = space.container
    amounts = {"cpu": f"{share.cpu_limit}m", "memory": f"{share.memory_limit}{MEGABYTE}"}
    closed = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    one = {
        "image": f"registry.invalid/none@sha256:{'0' * 64}",
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": closed,
    }
    labels = {UNIT_LABEL: space.unit, "donvi/zone": space.zone, "donvi/system": "verification"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "verification-", "labels": labels | {"app.kubernetes.io/managed-by": "donvi"}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{"name": f"c{number}", **one} for number in range(containers)],
        },
    }


def greedy_pod(space: Namespace) -> dict[str, Any]:
    """Return a pod that is in order but for wanting more memory than the whole namespace may have."""
    return restricted_pod(space, space.quota.share.memory_limit // max(space.container.memory_limit, 1) + 1)


def privileged_pod(space: Namespace) -> dict[str, Any]:
    """Return a pod that is in order but for reaching into its host.

    Not by ``privileged``: an API server may refuse that word to everybody, whatever Pod Security says.
    """
    pod = restricted_pod(space, 1)
    pod["spec"] |= {"hostPID": True, "hostNetwork": True}
    pod["spec"]["containers"][0]["securityContext"] = {"capabilities": {"add": ["SYS_ADMIN"]}, "runAsUser": 0}
    return pod


def _try(api: ClusterApi, space: Namespace, pod: dict[str, Any]) -> Reply:
    reply = api.ask("POST", core(space.id, "pods") + DRY_RUN, pod)
    return Reply(status=reply.status, message=reply.message)


def _quotas(api: ClusterApi, space: Namespace) -> tuple[str, ...]:
    return tuple(quota["metadata"]["name"] for quota in api.seen(core(space.id, "resourcequotas")))


def _workload(api: ClusterApi, app: App) -> Workload:
    reply = api.ask("GET", grouped("apps/v1", app.namespace, "deployments", app.id))
    if not reply.items:
        return Workload(declared=app.replicas, ready=0, detail=str(reply))
    status = reply.items[0].get("status", {})
    reasons = [c.get("message", "") for c in status.get("conditions", ()) if c.get("status") != "True"]
    updated = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
    return Workload(declared=app.replicas, ready=updated, detail="; ".join(reasons))


def _foreign(context: Context, api: ClusterApi) -> tuple[str, ...]:
    """Return namespaces that aren't the unit's: other units' where there are some, and the gateway's."""
    code = context.tenancy.unit.code
    spaces = api.seen(f"/api/v1/namespaces?labelSelector={UNIT_LABEL.replace('/', '%2F')}")
    others = [s["metadata"]["name"] for s in spaces if s["metadata"]["labels"][UNIT_LABEL] != code]
    gateways = {app.route.gateway_namespace for app in context.tenancy.apps}
    return (*sorted(others)[:2], *sorted(gateways), "kube-system")


def _administrator(context: Context, place: ClusterPlace, foreign: tuple[str, ...]) -> Administrator:
    account = next((a for a in context.tenancy.accounts if a.kind == "probe" and _administers(context, a)), None)
    if account is None:
        return Administrator(detail="the catalogue gives nobody rights in the cluster")
    password = context.password(account)
    if password is None:
        return Administrator(detail=f"{account.id}: {NO_PASSWORD}")
    role = person_role(context.tenancy.unit.code)
    try:
        found = person(
            context.deployment.vault.address, trust(context.ca_file), account.id, password.reveal(), role=role
        )
    except PermissionDeniedError as error:
        return Administrator(detail=error.message)
    except BackendError as error:
        raise InconclusiveError(f"nobody can log in now: {error.message}") from None
    api = ClusterApi(place, found.credential)
    try:
        return _tried(api, found.login, context.tenancy.namespaces[0].id, foreign)
    finally:
        api.close()


def _administers(context: Context, account: Account) -> bool:
    return administrators(context.city) in {f"{grant.system}-{grant.role}" for grant in account.grants}


def _tried(api: ClusterApi, login: str, space: str, foreign: tuple[str, ...]) -> Administrator:
    own = api.ask("GET", core(space, "pods"))
    name = own.items[0]["metadata"]["name"] if own.items else "none"
    paths = [*(core(other, "pods") for other in foreign), "/api/v1/pods", "/api/v1/namespaces"]
    return Administrator(
        login=login,
        own=Reply(status=own.status, message=own.message, items=tuple(_names(own))),
        secrets=_status(api.ask("GET", core(space, "secrets"))),
        removal=_status(api.ask("DELETE", core(space, "pods", name) + DRY_RUN)),
        foreign={path: _status(api.ask("GET", path)) for path in paths},
    )


def _status(reply: Reply) -> Reply:
    return Reply(status=reply.status, message=reply.message)


def _names(reply: Reply) -> list[dict[str, Any]]:
    return [{"name": item["metadata"]["name"]} for item in reply.items]
