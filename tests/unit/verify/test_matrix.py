"""The readiness matrix as people see it."""

import io

from rich.console import Console

from donvi.verify import CheckResult, Outcome, Verdict
from donvi.verify.matrix import finding_lines, legend, readiness_table, unit_table


def verdict(unit, name, **systems):
    checks = [
        CheckResult(unit=unit, system=s, subject="login", title="it works", outcome=Outcome(o), message="")
        for s, o in systems.items()
    ]
    return Verdict.of(unit=unit, name=name, finished_at="", seconds=1.0, checks=checks)


def lines(renderable):
    out = io.StringIO()
    Console(file=out, width=120).print(renderable)
    return [line.replace("│", "|") for line in out.getvalue().splitlines()]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_is_a_unit_a_column_a_system_and_a_unit_without_the_system_shows_a_dash():
    both = readiness_table(
        [
            verdict("26506", "Phường Vũng Tàu", mail="passed", tthc="failed"),
            verdict("26740", "Phường Sài Gòn", mail="inconclusive"),
        ]
    )
    found = [line.split() for line in lines(both)]
    assert ["unit", "mail", "tthc"] in found
    assert ["26506", "Phường", "Vũng", "Tàu", "open", "failed"] in found
    assert ["26740", "Phường", "Sài", "Gòn", "inconclusive", "–"] in found


def test_seven_systems_fit_on_a_page_of_120_columns():
    names = ["directory", "documents", "lgsp", "mail", "network", "tthc", "vault"]
    shown = lines(readiness_table([verdict("25747", "Phường Thủ Dầu Một", **dict.fromkeys(names, "inconclusive"))]))
    row = next(line for line in shown if "25747" in line)
    assert row.count("inconclusive") == 7


def test_the_table_of_one_unit_says_how_many_checks_stand_behind_a_verdict():
    rows = [cells(line) for line in lines(unit_table(verdict("26506", "", mail="passed"))) if line.startswith("|")]
    assert rows == [["mail", "open", "1/1"]]


def test_what_is_not_in_this_lab_is_said_and_explained():
    found = verdict("26536", "Phường Rạch Dừa", mail="passed", vault="absent")
    assert "26536 Phường Rạch Dừa open not in this lab" in [
        " ".join(line.split()) for line in lines(readiness_table([found]))
    ]
    assert ["vault", "not in this lab", "0/0 (1 not in this lab)"] in [
        cells(line) for line in lines(unit_table(found)) if line.startswith("|")
    ]
    assert [line.plain.partition(":")[0] for line in legend([found])] == ["partly"]
    assert legend([verdict("26506", "", mail="passed")]) == []


def test_an_open_unit_has_nothing_to_tell():
    assert finding_lines([verdict("26506", "", mail="passed")]) == []
