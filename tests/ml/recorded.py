"""Writes small recorded fleets for the tests of reader, figures and evaluation."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml.evaluation import stamp

START = 1_704_067_200.0  # 2024-01-01


def table(path: Path, header: str, lines: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(lines)


def telemetry(folder: Path, asset: str, t: np.ndarray, values: np.ndarray) -> None:
    (folder / "telemetry").mkdir(exist_ok=True)
    with gzip.open(folder / "telemetry" / f"{asset}.csv.gz", "wt") as file:
        file.write("t," + ",".join(f"pressure_{j}_bar" for j in range(values.shape[1])) + "\n")
        for at, row in zip(t, values, strict=True):
            file.write(stamp(at) + "," + ",".join("" if np.isnan(v) else f"{v:.6g}" for v in row) + "\n")


def onset_fleet(folder: Path, assets: int = 3, rows: int = 1500) -> Path:
    """Assets read each 10 s, ten healthy minutes known; each but the last has a step fault at row 900."""
    folder.mkdir()
    settings = {
        "name": "steps", "protocol": "onset", "horizon_s": 0, "min_lead_s": 0, "open_s": 3600, "month_s": 86400,
        "persistence_hint_s": 60, "budget_per_month": 1.0,
    }  # fmt: skip
    (folder / "fleet.json").write_text(json.dumps(settings))
    end = START + 10.0 * (rows - 1)
    spans = [
        (f"a{i}", "rig", "score", stamp(START), stamp(end), stamp(START + 600), stamp(START + 600), "")
        for i in range(assets)
    ]
    table(
        folder / "assets.csv",
        "asset,model,role,observed_from,observed_until,healthy_until,score_from,asset_group",
        spans,
    )
    faults = [(f"a{i}", stamp(START + 9000), "", "", stamp(START + 11000), "step") for i in range(assets - 1)]
    table(folder / "incidents.csv", "asset,onset,established,failed,repaired,kind", faults)
    rng = np.random.default_rng(1)
    t = START + 10.0 * np.arange(rows)
    for i in range(assets):
        x = 50 + rng.normal(size=(rows, 3))
        if i < assets - 1:
            x[900:1100, i % 3] += 25
        telemetry(folder, f"a{i}", t, x)
    return folder


def failure_fleet(folder: Path, history: int = 24, scored: int = 8, hours: int = 160) -> Path:
    """Machines that wear out: read hourly, the last 60 hours show it; some are cut off before the end."""
    folder.mkdir()
    settings = {
        "name": "wear", "protocol": "failure", "horizon_s": 50 * 3600, "min_lead_s": 5 * 3600, "open_s": 20 * 3600,
        "month_s": 108000, "persistence_hint_s": 0, "budget_per_month": 0.2,
    }  # fmt: skip
    (folder / "fleet.json").write_text(json.dumps(settings))
    rng = np.random.default_rng(2)
    lines, incidents, cuts = [], [], []
    for i in range(history + 2 * scored):
        name, life = f"m{i:02d}", hours + int(rng.integers(-40, 40))
        role = "history" if i < history else "score"
        is_cut = i >= history + scored
        shown = life - int(rng.integers(10, 60)) if is_cut else life
        t = START + 3600.0 * np.arange(shown)
        wear = np.clip((np.arange(shown) - (life - 60)) / 60, 0, 1) ** 2
        telemetry(folder, name, t, np.array([10.0, 20.0]) + rng.normal(size=(shown, 2)) * 0.3 + 6 * wear[:, None])
        lines.append(
            (
                name,
                "mill",
                role,
                stamp(START),
                stamp(t[-1]),
                stamp(t[15]),
                "" if role == "history" else stamp(t[16]),
                "",
            )
        )
        if is_cut:
            cuts.append((name, stamp(t[-1]), (life - shown) * 3600))
        else:
            incidents.append((name, "", "", stamp(t[-1]), stamp(t[-1]), "worn"))
    table(
        folder / "assets.csv",
        "asset,model,role,observed_from,observed_until,healthy_until,score_from,asset_group",
        lines,
    )
    table(folder / "incidents.csv", "asset,onset,established,failed,repaired,kind", incidents)
    table(folder / "rul.csv", "asset,t,rul_s", cuts)
    return folder


def bearing_fleet(folder: Path, history: int = 4, scored: int = 2, rows: int = 400) -> Path:
    """Bearings read each minute whose vibration grows fivefold in their last forty minutes; some are cut off."""
    folder.mkdir()
    settings = {
        "name": "bearings", "protocol": "failure", "horizon_s": 3600, "min_lead_s": 300, "open_s": 900,
        "month_s": 36000, "persistence_hint_s": 0, "budget_per_month": 1.0,
    }  # fmt: skip
    (folder / "fleet.json").write_text(json.dumps(settings))
    rng = np.random.default_rng(4)
    lines, incidents, cuts = [], [], []
    for i in range(history + scored + 1):
        name, life, is_cut = f"b{i:02d}", rows + int(rng.integers(-80, 80)), i == history + scored
        shown = life - 50 if is_cut else life
        t = START + 60.0 * np.arange(shown)
        wear = np.clip((np.arange(shown) - (life - 40)) / 40, 0, 1)
        level = 0.4 * (1 + 4 * wear) * np.exp(0.05 * rng.normal(size=shown))
        (folder / "telemetry").mkdir(exist_ok=True)
        with gzip.open(folder / "telemetry" / f"{name}.csv.gz", "wt") as file:
            file.write("t,vibration_rms_g,heat_celsius\n")
            file.writelines(f"{stamp(at)},{g:.6g},{40 + rng.normal():.6g}\n" for at, g in zip(t, level, strict=True))
        score_from = "" if i < history else stamp(t[31])
        role = "history" if i < history else "score"
        lines.append((name, "bearing", role, stamp(START), stamp(t[-1]), stamp(t[30]), score_from, ""))
        if is_cut:
            cuts.append((name, stamp(t[-1]), 3000))
        else:
            incidents.append((name, "", "", stamp(t[-1]), stamp(t[-1]), "worn"))
    header = "asset,model,role,observed_from,observed_until,healthy_until,score_from,asset_group"
    table(folder / "assets.csv", header, lines)
    table(folder / "incidents.csv", "asset,onset,established,failed,repaired,kind", incidents)
    table(folder / "rul.csv", "asset,t,rul_s", cuts)
    return folder
