"""What a difference to a revision touches: exactly that, and never less."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.errors import UsageError
from donvi.fleet.affected import Affected, affected
from donvi.registry import load_city

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[3]
VUNG_TAU = "26506-vung-tau"
KEPT = ("city", "components", "donvi", "lab", "playbooks", "policies", "stacks", "tools/pulumi", "docs/operate.md")
FILES = ("Pulumi.yaml", "pyproject.toml", "ansible.cfg", ".gitignore")


def git(folder: Path, *arguments: str) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, env=environ)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it is in this working tree, as the first commit of another."""
    folder = tmp_path_factory.mktemp("original")
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "-co", "--exclude-standard", "--", *KEPT, *FILES]
    listed = subprocess.run(command, check=True, capture_output=True).stdout.split(b"\0")
    for name in (one.decode() for one in listed if one):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", "first")
    return folder


@pytest.fixture
def tree(original: Path) -> Path:
    git(original, "checkout", "-qf", "-B", "main", "first")
    git(original, "clean", "-qfdx")
    return original


@pytest.fixture
def edit(tree: Path) -> Callable[[str, str, str], None]:
    def replace(file: str, old: str, new: str) -> None:
        path = tree / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{file} doesn't hold {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


def look(tree: Path, revision: str = "HEAD") -> Affected:
    return affected(load_city(tree / "city"), tree, revision, {"DONVI_CACHE": str(tree.parent / "cache")})


def units(found: Affected) -> int:
    return sum(stack != "platform" for stack in found.stacks)


def test_no_difference_touches_nothing_and_says_by_what_that_is_proven(tree: Path) -> None:
    found = look(tree)
    assert found.stacks == {}
    assert len(found.unaffected) == 169
    assert "equal data" in found.proof


def test_one_person_s_post_touches_exactly_that_unit(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/people/26506.csv", "Lê Thị Ngọc Ánh,clerk", "Lê Thị Ngọc Ánh,office-chief")
    found = look(tree)
    assert list(found.stacks) == [VUNG_TAU]
    assert len(found.unaffected) == 168
    assert any(why.startswith("accounts: ~ cb-265004") for why in found.stacks[VUNG_TAU])


def test_one_unit_s_telephone_touches_exactly_that_unit(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/contacts.csv", "+84 254 002 6506", "+84 254 002 9999")
    found = look(tree)
    assert list(found.stacks) == [VUNG_TAU]
    assert found.stacks[VUNG_TAU] == ("apps: ~ web-portal",)


def test_a_line_that_means_the_same_touches_nothing(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/systems/mail.yaml", "id: mail", "# a remark\nid: mail")
    assert look(tree).stacks == {}


def test_a_system_s_flow_touches_every_unit_and_not_what_they_share(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/systems/mail.yaml", "protocol: tcp, port: 465}", "protocol: tcp, port: 587}")
    found = look(tree)
    assert units(found) == 168
    assert "platform" not in found.stacks
    assert found.stacks[VUNG_TAU][0].startswith("flows: ")


def test_a_link_between_zones_touches_the_platform_alone(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/city.yaml", "host: directory, protocol: tcp, port: 636", "host: directory, protocol: tcp, port: 637")
    found = look(tree)
    assert list(found.stacks) == ["platform"]
    assert found.stacks["platform"] == ("links: - national/directory/tcp-636, + national/directory/tcp-637",)


def test_a_unit_s_first_roster_touches_that_unit(tree: Path) -> None:
    roster = "employee_id,name,post,login,number,active\ncb-1,Lê An,clerk,an.le,1,yes\n"
    (tree / "city/people/25750.csv").write_text(roster, encoding="utf-8")
    assert list(look(tree).stacks) == ["25750-phu-loi"]


def test_the_city_s_domain_touches_everything(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/city.yaml", "domain: tphcm.test", "domain: hcm.test")
    found = look(tree)
    assert len(found.stacks) == 169
    assert "city: settings.domain" in found.stacks["platform"]


def test_data_that_could_not_be_read_before_touches_everything(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/posts.yaml", "posts:", "poste:")
    git(tree, "commit", "-qam", "broken")
    edit("city/posts.yaml", "poste:", "posts:")
    found = look(tree)
    assert len(found.stacks) == 169
    assert "can't be compared" in found.stacks[VUNG_TAU][0]


@pytest.mark.parametrize(
    ("file", "stacks", "why"),
    [
        ("components/apps.py", 169, "(program)"),
        ("donvi/backends/dns/records.py", 169, "(provider)"),
        ("donvi/provider/handlers/dns.py", 169, "(provider)"),
        ("policies/rules/flows.py", 169, "(policies)"),
        ("donvi/site/templates/index.html", 169, "(program)"),
        ("policies/waivers.yaml", 169, "(policies)"),
        ("Pulumi.yaml", 169, "(engine)"),
        ("tools/pulumi/go.mod", 169, "(engine)"),
        ("playbooks/roles/resolver_client/tasks/main.yml", 168, "playbooks: workstation"),
        ("playbooks/roles/router/tasks/main.yml", 169, "playbooks: router"),
        ("playbooks/roles/directory/tasks/main.yml", 0, ""),
        ("playbooks/roles/time/README.md", 0, ""),
        ("donvi/cli/show.py", 0, ""),
        ("donvi/fleet/locks.py", 0, ""),
        ("lab/network.py", 0, ""),
        ("docs/operate.md", 0, ""),
    ],
)
def test_code_touches_what_runs_it(tree: Path, file: str, stacks: int, why: str) -> None:
    path = tree / file
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    found = look(tree)
    assert len(found.stacks) == stacks
    assert not why or why in " ".join(found.stacks[VUNG_TAU])


def test_a_pin_of_a_package_touches_everything_and_a_linter_s_setting_nothing(
    tree: Path, edit: Callable[..., None]
) -> None:
    edit("pyproject.toml", "line-length = 120", "line-length = 121")
    assert look(tree).stacks == {}
    edit("pyproject.toml", "pulumi-kubernetes==", "pulumi-kubernetes==9")
    assert len(look(tree).stacks) == 169


def test_a_new_module_touches_something_once_it_is_imported(tree: Path, edit: Callable[..., None]) -> None:
    (tree / "components/extra.py").write_text("X = 1\n", encoding="utf-8")
    assert look(tree).stacks == {}, "nobody imports it"
    edit("components/names.py", "from dataclasses import", "from components.extra import X\nfrom dataclasses import")
    assert "components/extra.py (program)" in look(tree).stacks[VUNG_TAU]


def test_a_module_that_is_gone_counts(tree: Path) -> None:
    (tree / "components/gateway_api.py").unlink()
    assert "components/gateway_api.py (beside what is imported)" in look(tree).stacks[VUNG_TAU]


def test_what_was_committed_since_counts_and_what_is_only_staged_too(tree: Path, edit: Callable[..., None]) -> None:
    edit("city/people/26506.csv", "clerk", "office-chief")
    git(tree, "commit", "-qam", "second")
    edit("city/contacts.csv", "+84 28 0002 6740", "+84 28 0002 9999")
    git(tree, "add", "-A")
    assert set(look(tree, "first").stacks) == {VUNG_TAU, "26740-sai-gon"}
    assert set(look(tree).stacks) == {"26740-sai-gon"}


def test_a_unit_that_is_gone_is_named(tree: Path) -> None:
    for file in ("units.csv", "sites.csv", "contacts.csv"):
        path = tree / "city" / file
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("27676,")]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tree / "city/people/27676.csv").unlink(missing_ok=True)
    found = look(tree)
    (gone,) = found.gone
    assert gone.startswith("27676-")
    assert gone not in found.stacks


@pytest.mark.parametrize("revision", ["nowhere", "--help", "HEAD:city", ""])
def test_a_revision_that_is_none_is_refused(tree: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="there is no revision"):
        look(tree, revision)


def test_a_city_outside_of_git_can_t_be_compared(tree: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tree / "city", tmp_path / "city")
    with pytest.raises(UsageError, match="no git working tree"):
        affected(load_city(tmp_path / "city"), tree, "HEAD", {"DONVI_CACHE": str(tmp_path)})
