#!/usr/bin/python
"""Hold objects in a Kubernetes cluster by server-side apply."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_objects
short_description: Hold objects in a Kubernetes cluster
description:
  - Applies the objects in their order, on the server's side; what others wrote into the same fields is taken back.
  - A check applies without persisting. Without a cluster, it says that everything would change.
  - Waits for the kinds that definitions in the same list bring; with C(wait) also for Deployments and DaemonSets.
options:
  objects: {description: The objects, type: list, elements: dict, required: true}
  state: {description: C(absent) removes them, type: str, choices: [present, absent], default: present}
  kubeconfig: {description: Written as JSON, type: path, default: /etc/kubernetes/admin.conf}
  manager: {description: Who owns the fields, type: str, default: donvi-playbooks}
  wait: {description: Seconds for all of them to be ready; 0 doesn't wait, type: int, default: 0}
"""

EXAMPLES = r"""
- name: Hold a namespace
  cluster_objects:
    objects:
      - {apiVersion: v1, kind: Namespace, metadata: {name: example}}
"""

RETURN = r"""
objects: {description: Those that changed or would, as kind/namespace/name, type: list, returned: always}
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.donvi_cluster import NOT_FOUND, Cluster, Refused, Unreachable, pending, same

KNOWN_WITHIN = 30.0  # seconds from a definition's creation to its kind


def title(thing: dict[str, Any]) -> str:
    """Name an object for people."""
    meta = thing["metadata"]
    return "/".join(filter(None, (thing["kind"], meta.get("namespace"), meta["name"])))


def apply(cluster: Cluster, thing: dict[str, Any], manager: str, *, check: bool) -> bool:
    """Apply an object; say whether that changed it, or would."""
    query = {"fieldManager": manager, "force": "true"}
    if not check:
        path = cluster.path(thing, KNOWN_WITHIN)
        return not same(cluster.get(path), cluster.ask("PATCH", path, thing, **query))
    try:
        path = cluster.path(thing)
        return not same(cluster.get(path), cluster.ask("PATCH", path, thing, **query, dryRun="All"))
    except Refused as error:
        if error.code == NOT_FOUND:  # its kind or its namespace would be made by this run
            return True
        raise


def remove(cluster: Cluster, thing: dict[str, Any], *, check: bool) -> bool:
    """Remove an object; say whether it was there."""
    try:
        path = cluster.path(thing)
    except Refused:
        return False
    if cluster.get(path) is None:
        return False
    if not check:
        cluster.ask("DELETE", path, propagationPolicy="Background")
    return True


def await_all(cluster: Cluster, things: list[dict[str, Any]], seconds: float) -> str:
    """Wait until every object is ready; return what isn't."""
    deadline = time.monotonic() + seconds
    while True:
        states = {title(thing): pending(cluster.ask("GET", cluster.path(thing))) for thing in things}
        words = "; ".join(f"{name}: {state}" for name, state in states.items() if state)
        if not words or time.monotonic() > deadline:
            return words
        time.sleep(0.3)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "objects": {"type": "list", "elements": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
            "manager": {"type": "str", "default": "donvi-playbooks"},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    options, check, changed = module.params, module.check_mode, []
    try:
        cluster = Cluster(options["kubeconfig"])
        for thing in options["objects"]:
            if options["state"] == "absent":
                done = remove(cluster, thing, check=check)
            else:
                done = apply(cluster, thing, options["manager"], check=check)
            changed += [title(thing)] if done else []
        late = ""
        if options["wait"] and options["state"] == "present" and not check:
            late = await_all(cluster, options["objects"], options["wait"])
    except Refused as error:
        module.fail_json(msg=str(error), objects=changed)
    except Unreachable as error:
        if not check:
            module.fail_json(msg=f"the cluster's API doesn't answer: {error}", objects=changed)
        changed, late = [title(thing) for thing in options["objects"]], ""
    if late:
        module.fail_json(msg=f"not ready after {options['wait']} s: {late}", objects=changed)
    module.exit_json(changed=bool(changed), objects=changed)


if __name__ == "__main__":
    main()
