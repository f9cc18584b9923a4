"""The figures of all recorded fleets beside simple methods, as they are written into a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml import comparison
from ml.baselines import METHODS
from tests.ml.recorded import onset_fleet


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small fleets, compared from end to end."""
    folder = tmp_path_factory.mktemp("comparison")
    (folder / "fleets").mkdir()
    for name in ("one", "two"):
        onset_fleet(folder / "fleets" / name, assets=2, rows=1200)
        about = json.loads((folder / "fleets" / name / "fleet.json").read_text())
        (folder / "fleets" / name / "fleet.json").write_text(json.dumps(about | {"name": name}))
    (folder / "page.md").write_text(f"before\n\n{comparison.BEGIN}\nSTALE\n{comparison.END}\n\nafter\n")
    assert _compare(folder, "out", "page.md") == 0
    return folder


def _compare(folder: Path, out: str, page: str) -> int:
    places = [str(folder / "fleets"), "--out", str(folder / out), "--page", str(folder / page), "--jobs", "1"]
    return comparison.main(places)


def test_the_page_has_a_line_for_each_method_on_each_fleet_and_keeps_the_rest(written: Path) -> None:
    page = (written / "page.md").read_text()
    assert page.startswith(f"before\n\n{comparison.BEGIN}\n\n| fleet | method |")
    assert page.endswith(f"|\n\n{comparison.END}\n\nafter\n")
    assert "STALE" not in page
    lines = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith(("| one", "| two"))]
    methods = ["**Forewarn**", *METHODS]
    assert lines == [[f"| {fleet}", method] for fleet in ("one", "two") for method in methods]


def test_the_lines_say_what_was_counted(written: Path) -> None:
    rows = json.loads((written / "out" / "figures.json").read_text())
    page = (written / "page.md").read_text().splitlines()
    assert len(rows) == 2 * (1 + len(METHODS))
    for row in rows:
        own = row["work_orders"]
        start = f"| {row['fleet']} | "
        line = next(each for each in page if each.startswith(start) and row["method"] in each.split(" | ")[1])
        assert f"| {own['incidents']} | {own['caught']} ({own['recall']:.2f}) | {own['false']} |" in line
        assert ("| yes |" in line) is own["within_budget"]
    ours = [row["work_orders"] for row in rows if row["method"] == comparison.OURS]
    assert [each["caught"] for each in ours] == [1, 1]


def test_comparing_again_gives_the_same_bytes(written: Path) -> None:
    (written / "again.md").write_text((written / "page.md").read_text())
    assert _compare(written, "again", "again.md") == 0
    assert (written / "again.md").read_bytes() == (written / "page.md").read_bytes()
    files = sorted(path.relative_to(written / "out") for path in (written / "out").rglob("*") if path.is_file())
    assert len(files) > 10
    for path in files:
        assert (written / "again" / path).read_bytes() == (written / "out" / path).read_bytes()


def test_a_page_without_a_place_for_the_figures_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("nothing here")
    with pytest.raises(ValueError, match="figures"):
        comparison.write_block(tmp_path / "page.md", "text")
    assert (tmp_path / "page.md").read_text() == "nothing here"
