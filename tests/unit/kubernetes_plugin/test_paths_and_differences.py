"""What changed between two objects, how it is written, and what of it replaces the object."""

from __future__ import annotations

from donvi.plugin.changes import Change
from donvi.plugin.wire import UNKNOWN
from lab.kubernetes_plugin.difference import Mutable, compare, replaces, replacing
from lab.kubernetes_plugin.kinds import Kind, of_token
from lab.kubernetes_plugin.paths import parsed, written

SECRET = Kind("", "v1", "Secret")
CONFIG = Kind("", "v1", "ConfigMap")
POD = Kind("", "v1", "Pod")


def changes(old: object, new: object) -> dict[str, Change]:
    return {written(path): change for path, change in compare(old, new)}


def test_paths_are_written_as_the_engine_reads_them_and_read_back() -> None:
    for text in ("spec.replicas", 'metadata.labels["donvi/unit"]', "spec.containers[0].env[12].value"):
        assert written(parsed(text)) == text


def test_changes_are_found_at_any_depth() -> None:
    old = {"a": {"b": [1, {"c": 2}]}, "gone": 1}
    new = {"a": {"b": [1, {"c": 3}, 4]}, "come": 1}
    assert changes(old, new) == {
        "a.b[1].c": Change.UPDATE,
        "a.b[2]": Change.ADD,
        "gone": Change.DELETE,
        "come": Change.ADD,
    }


def test_numbers_are_compared_as_json_does_and_truth_is_no_number() -> None:
    assert changes({"a": 1}, {"a": 1.0}) == {}
    assert changes({"a": 1}, {"a": True}) == {"a": Change.UPDATE}


def test_an_absent_property_and_null_are_the_same_but_an_unknown_one_is_a_change() -> None:
    assert changes({"a": None}, {}) == {}
    assert changes({"a": "x"}, {"a": UNKNOWN}) == {"a": Change.UPDATE}


def replaced(kind: Kind, old: dict[str, object], new: dict[str, object], mutable: Mutable = Mutable()) -> set[str]:  # noqa: B008
    found = dict(compare(old, new))
    return {written(path) for path in replaces(found, replacing(kind, new, mutable))}


def test_data_replaces_what_the_provider_does_not_call_mutable() -> None:
    assert replaced(SECRET, {"data": {"a": "1"}}, {"data": {"a": "2"}}) == {"data.a"}
    assert replaced(CONFIG, {"data": {"a": "1"}}, {"data": {"a": "2"}}) == {"data.a"}
    assert replaced(CONFIG, {"data": {"a": "1"}}, {"data": {"a": "2"}}, Mutable(config_map=True)) == set()


def test_a_container_of_a_pod_is_fixed_and_a_whole_branch_with_it() -> None:
    old = {"spec": {"containers": [{"name": "a", "image": "x"}]}}
    assert replaced(POD, old, {"spec": {"containers": [{"name": "a", "image": "y"}]}}) == {"spec.containers[0].image"}
    assert replaced(POD, old, {}) == {"spec"}


def test_tokens_name_kinds_and_what_is_not_served_is_refused() -> None:
    assert of_token("kubernetes:core/v1:Namespace") == (Kind("", "v1", "Namespace"), False)
    assert of_token("kubernetes:core/v1:NamespacePatch") == (Kind("", "v1", "Namespace"), True)
    route = Kind("gateway.networking.k8s.io", "v1alpha2", "TLSRoute")
    assert of_token("kubernetes:gateway.networking.k8s.io/v1alpha2:TLSRoute") == (route, False)
