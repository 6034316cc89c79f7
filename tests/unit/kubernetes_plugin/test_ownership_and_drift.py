"""Who owns a field, and what of a live object is drift of the inputs it was made of."""

from __future__ import annotations

from typing import Any

from lab.kubernetes_plugin import drift, ownership

MINE = "pulumi-kubernetes-0a1b2c3d"


def live(fields: dict[str, dict[str, Any]], **content: Any) -> dict[str, Any]:
    """An object with its ownership record: ``{"manager/Operation/subresource": fields}``."""
    entries = []
    for who, owned in fields.items():
        manager, operation, *rest = who.split("/")
        entries.append({"manager": manager, "operation": operation, "fieldsV1": owned, "subresource": "".join(rest)})
    return {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "managedFields": entries}, **content}


SPEC = {"f:spec": {"f:replicas": {}, "f:ports": {'k:{"port":443,"protocol":"TCP"}': {".": {}, "f:port": {}}}}}


def test_only_a_persons_tools_are_hands() -> None:
    found = live(
        {
            f"{MINE}/Apply": {"f:spec": {"f:a": {}}},
            "kubectl-edit/Update": {"f:spec": {"f:b": {}}},
            "kubectl/Update/scale": {"f:spec": {"f:replicas": {}}},
            "kube-controller-manager/Update": {"f:spec": {"f:c": {}}},
            "kubectl/Update/status": {"f:status": {}},
        }
    )
    assert ownership.hands(found) == {"f:spec": {"f:b": {}, "f:replicas": {}}}
    record = ownership.taken_over(found, MINE)
    assert record is not None
    assert [entry["manager"] for entry in record] == ["kube-controller-manager", "kubectl", MINE]
    assert record[-1]["fieldsV1"] == {"f:spec": {"f:a": {}, "f:b": {}, "f:replicas": {}}}


def test_without_hands_nothing_is_taken_over() -> None:
    assert ownership.taken_over(live({f"{MINE}/Apply": SPEC, "autoscaler/Apply": SPEC}), MINE) is None


def test_an_item_of_a_list_is_owned_by_its_keys() -> None:
    content = {"spec": {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]}}
    assert ownership.covers(SPEC, content, ("spec", "ports", 1, "port"))
    assert not ownership.covers(SPEC, content, ("spec", "ports", 0, "port"))
    assert ownership.selected(content, SPEC) == {"spec": {"ports": [{"port": 443}]}}


def real(inputs: dict[str, Any], now: dict[str, Any], would_be: dict[str, Any], fields: dict[str, Any]) -> Any:
    return drift.real(inputs, live({}, **now), live({f"{MINE}/Apply": fields}, **would_be), MINE)


def test_another_spelling_and_defaults_are_no_drift() -> None:
    inputs = {"spec": {"cpu": "0.1", "ports": [{"port": 443}]}}
    stored = {"spec": {"cpu": "100m", "ports": [{"port": 443, "protocol": "TCP"}], "policy": "default"}}
    assert real(inputs, stored, stored, SPEC) == inputs


def test_an_item_of_somebody_else_in_a_keyed_list_is_no_drift_and_a_missing_own_one_is() -> None:
    inputs = {"spec": {"ports": [{"port": 443}]}}
    theirs = {"port": 80, "protocol": "TCP"}
    own = {"port": 443, "protocol": "TCP"}
    both = {"spec": {"ports": [theirs, own]}}
    assert real(inputs, both, both, SPEC) == inputs
    assert real(inputs, {"spec": {"ports": [theirs]}}, both, SPEC) == {"spec": {"ports": []}}


def test_a_list_owned_whole_shows_every_item_more() -> None:
    inputs = {"spec": {"rules": [{"a": 1}]}}
    now = {"spec": {"rules": [{"a": 1}, {"b": 2}]}}
    assert real(inputs, now, inputs, {"f:spec": {"f:rules": {}}}) == now


def test_a_map_owned_whole_shows_every_key_more() -> None:
    inputs = {"spec": {"selector": {}}}
    now = {"spec": {"selector": {"app": "web"}}}
    assert real(inputs, now, inputs, {"f:spec": {"f:selector": {}}}) == now


def test_what_hands_added_counts_only_on_an_object_that_was_applied_here() -> None:
    inputs = {"spec": {"replicas": 1}}
    edited = {"kubectl-edit/Update": {"f:spec": {"f:paused": {}}}}
    content = {"spec": {"replicas": 1, "paused": True}}
    assert drift.added_by_hand(inputs, live(edited, **content), MINE) == inputs
    ours = live({f"{MINE}/Apply": {"f:spec": {"f:replicas": {}}}, **edited}, **content)
    assert drift.added_by_hand(inputs, ours, MINE) == content


def test_an_import_declares_what_was_applied_else_everything_that_is_not_the_servers() -> None:
    content = {"spec": {"replicas": 1, "defaulted": True}, "status": {"ready": 1}}
    applied = live({"kubectl/Apply": {"f:spec": {"f:replicas": {}}}}, **content)
    identity = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}}
    assert drift.declared(applied) == {**identity, "spec": {"replicas": 1}}
    created = live({"kubectl-create/Update": {}}, **content)
    assert drift.declared(created) == {**identity, "spec": {"replicas": 1, "defaulted": True}}
