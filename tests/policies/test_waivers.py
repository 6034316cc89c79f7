"""The register: what may stand in it, and what it makes of a finding."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from donvi.errors import DataError
from policies import messages
from policies.judge import Judge, State
from policies.register import by_id
from policies.rules.workloads import IMAGE
from policies.waivers import FILE, LONGEST_DAYS, Waiver, read_waivers, schema, today
from tests.engine.project import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from policies.city import CityFacts

DAY = date(2026, 11, 24)
BROKEN = IMAGE.broken[0].resource()
ENTRY = {
    "rule": "image-by-digest",
    "unit": "26506",
    "owner": "Phòng An toàn thông tin",
    "reason": "the supplier publishes digests from January on",
    "granted": "2026-11-24",
    "expires": "2027-01-31",
}


def waiver(**changed: Any) -> Waiver:
    whole = {**ENTRY, "granted": DAY, "expires": DAY + timedelta(30), **changed}
    return Waiver(**whole)


def judge(city: CityFacts, *waivers: Waiver, day: date = DAY, stack: str = "26506") -> Judge:
    return Judge(lambda: city, waivers, day, stack)


def written(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "waivers.yaml"
    lines = ["waivers:"] if entries else ["waivers: []"]
    for entry in entries:
        lines += [
            f'{"  - " if number == 0 else "    "}{name}: "{value}"'
            for number, (name, value) in enumerate(entry.items())
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_waiver_in_force_shows_the_finding_with_owner_and_end_and_lets_it_pass(city: CityFacts) -> None:
    asked = judge(city, waiver())
    (verdict,) = asked.resource(BROKEN)
    assert verdict.state is State.WAIVED
    said = messages.text(verdict)
    assert "waived until 2026-12-24 by Phòng An toàn thông tin: the supplier" in said
    assert "spec.template.spec.containers[0].image" in said
    assert asked.stack([]) == []


@pytest.mark.parametrize(
    "elsewhere",
    [{"unit": "25747"}, {"resource": "kubernetes:apps/v1:Deployment::other"}, {"rule": "limits-and-requests"}],
)
def test_a_waiver_for_something_else_excuses_nothing(city: CityFacts, elsewhere: dict[str, str]) -> None:
    (verdict,) = judge(city, waiver(**elsewhere)).resource(BROKEN)
    assert verdict.state is State.BROKEN


def test_a_waiver_counts_on_its_first_and_on_its_last_day_only(city: CityFacts) -> None:
    ends = DAY + timedelta(30)
    states = {
        day: judge(city, waiver(), day=day).resource(BROKEN)[0].state
        for day in (DAY - timedelta(1), DAY, ends, ends + timedelta(1))
    }
    assert list(states.values()) == [State.BROKEN, State.WAIVED, State.WAIVED, State.BROKEN]


def test_an_expired_waiver_fails_with_a_message_of_its_own_whether_or_not_something_needs_it(city: CityFacts) -> None:
    late = DAY + timedelta(31)
    needed = judge(city, waiver(), day=late)
    (finding,) = needed.resource(BROKEN)
    assert "the waiver of Phòng An toàn thông tin is not in force: 2026-11-24 to 2026-12-24" in messages.text(finding)
    for asked in (needed, judge(city, waiver(), day=late)):
        (own,) = asked.stack([])
        assert own.about.id == "waiver-in-force"
        assert own.about.level == "mandatory"
        said = messages.text(own)
        assert "expired on 2026-12-24" in said
        assert "remedy: Repair what it excused and remove the line" in said


def test_a_waiver_that_nothing_needs_is_reported_in_its_own_stack_only(city: CityFacts) -> None:
    (unused,) = judge(city, waiver()).stack([])
    assert unused.about.id == "waiver-needed"
    assert unused.about.level == "advisory"
    assert "image-by-digest for unit 26506" in messages.text(unused)
    assert judge(city, waiver(), stack="25747").stack([]) == []


@pytest.mark.parametrize(
    ("changed", "row", "said"),
    [
        ({"rule": "image-by-digset"}, 2, "did you mean 'image-by-digest'"),
        ({"unit": "265"}, 3, "matching regex"),
        ({"unit": ""}, 2, "needs a unit or a resource"),
        ({"expires": "2026-11-01"}, 7, "ends before it was granted"),
        ({"expires": "2027-11-24"}, 7, f"more than a waiver may last ({LONGEST_DAYS})"),
        ({"expires": "soon"}, 7, "RFC3339"),
        ({"reason": "later"}, 5, "length >= 10"),
        ({"until": "2027-01-31"}, 8, "unknown field `until`"),
    ],
)
def test_a_wrong_line_is_refused_with_file_row_and_remedy(
    tmp_path: Path, changed: dict[str, str], row: int, said: str
) -> None:
    with pytest.raises(DataError) as raised:
        read_waivers(written(tmp_path, {**ENTRY, **changed}), by_id())
    assert raised.value.file.endswith("waivers.yaml")
    assert raised.value.row == row
    assert said in str(raised.value)


def test_two_waivers_for_the_same_place_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="stands above already"):
        read_waivers(written(tmp_path, ENTRY, ENTRY), by_id())
    with pytest.raises(DataError, match="DONVI_WAIVERS must name a file"):
        read_waivers(tmp_path / "none.yaml", by_id())


def test_the_projects_own_register_is_right_and_nothing_in_it_has_expired() -> None:
    assert [one.about for one in read_waivers(FILE, by_id()) if one.expired(today({}))] == []


def test_the_schema_for_editors_is_the_parsers() -> None:
    text = (ROOT / "policies/schema/waivers.json").read_text(encoding="utf-8")
    assert text == schema(), 'run python -c "from policies.waivers import schema; print(schema(), end=str())"'
    jsonschema.validate(yaml.safe_load(FILE.read_text(encoding="utf-8")), yaml.safe_load(text))
