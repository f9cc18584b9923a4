"""Models, explanations and remaining life over HTTP and from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from assets.base.access import Role
from assets.base.db import plain_url
from gateway import texts
from gateway.main import main
from gateway.training import start_training
from maintenance.remaining_lives import Estimate, save_life
from ml.store.tables import TrainingRun
from ml.store.versions import Draft, Reason, add_model, promote
from tests.gateway.conftest import Plant
from tests.ingest.support import wait_until
from tests.ml.stored import NOW, Machines

NAME = "failure:pump:any"


@pytest.fixture
def machines(plant: Plant, database_url: str) -> Iterator[Machines]:
    made = Machines(database_url, plant.operator.id)
    made.add(
        "P-1", made.add_model("pump", {"pressure_0_bar": {"high": 200.0, "label_en": "Outlet", "label_zh": "出口"}})
    )
    yield made
    made.close()


def store_two(plant: Plant) -> None:
    """A version that served and the one that serves now."""
    with plant.database.as_service() as session:
        for number in (1.0, 2.0):
            card = {
                "asset_models": ["pump"],
                "figures": {"recall": 0.9, "judged_on": "held_out"},
                "data": {"assets": 20, "incidents": 24, "since": 1.7e9, "until": 1.71e9},
                "versions": {"numpy": np.__version__},
            }
            draft = Draft(NAME, "failure", f"supervised-{number:g}", {"weights": np.array([number])}, card)
            model = add_model(session, plant.operator.id, draft, NOW + timedelta(days=number))
        promote(session, model, Reason("recall_not_lower", {"challenger_caught": 3}), NOW + timedelta(days=3))


def trouble(machines: Machines) -> str:
    """A finding of the detectors; return its id."""
    t = NOW.timestamp() - 5000 + 10.0 * np.arange(480)
    rng = np.random.default_rng(1)
    x = 50 + rng.normal(size=(480, 1)) + 0.3 * rng.normal(size=(480, 4))
    x[440:, 0] += 30.0
    machines.tell("P-1", t, {f"pressure_{i}_bar": x[:, i] for i in range(4)})
    machines.work()
    return str(next(finding for finding in machines.findings() if finding.layer == "L2").id)


def test_versions_with_their_cards_and_going_back(plant: Plant, machines: Machines) -> None:
    store_two(plant)
    client = plant.administrator()
    page = client.get("/api/v1/models").json()
    assert [(m["version"], m["state"]) for m in page["items"]] == [(2, "champion"), (1, "retired")]
    new, old = page["items"]
    assert new["figures"] == {"recall": 0.9, "assets": 20.0, "incidents": 24.0}
    assert new["asset_models"][0]["code"] == "pump"
    assert client.get("/api/v1/models?state=retired&kind=failure").json()["items"] == [old]
    detail = client.get(f"/api/v1/models/{old['id']}").json()
    assert detail["can"] == {"rollback": True, "promote": False, "forget": False}
    assert detail["card"]["versions"]["numpy"] == np.__version__
    assert [move["state"] for move in detail["history"]] == ["retired", "champion"]
    assert client.post(f"/api/v1/models/{old['id']}/verify").json()["ok"] is True
    back = client.post(f"/api/v1/models/{old['id']}/rollback", json={"reason": "cries wolf"})
    assert (back.status_code, back.json()["state"]) == (200, "champion")
    assert "cries wolf" in back.json()["state_reason"]["en"]
    assert "cries wolf" in back.json()["state_reason"]["zh"]
    assert client.get(f"/api/v1/models/{new['id']}").json()["state"] == "retired"
    assert client.post(f"/api/v1/models/{new['id']}/pin", json={"pinned": True}).json()["pinned"] is True
    assert client.get(f"/api/v1/models/{new['id']}/shadow").status_code == 404


def test_only_those_who_may_set_policies_move_models(plant: Plant, machines: Machines) -> None:
    store_two(plant)
    old = plant.administrator().get("/api/v1/models?state=retired").json()["items"][0]["id"]
    reader = plant.client(plant.token(role=Role.ANALYST))
    assert reader.get(f"/api/v1/models/{old}").status_code == 200
    for path, body in (("rollback", {"reason": "x"}), ("pin", {"pinned": True})):
        assert reader.post(f"/api/v1/models/{old}/{path}", json=body).status_code == 403
    assert reader.post("/api/v1/training-runs").status_code == 403
    stranger = plant.client(plant.token(plant.stranger))
    assert stranger.get("/api/v1/models").json()["items"] == []
    assert stranger.get(f"/api/v1/models/{old}").status_code == 404


def test_a_wrong_hash_is_told_in_words(plant: Plant, machines: Machines) -> None:
    store_two(plant)
    with plant.database.as_owner() as session:
        session.execute(text("ALTER TABLE model_contents NO FORCE ROW LEVEL SECURITY"))
        session.execute(text("UPDATE model_contents SET content = content || 'x'"))
    client = plant.administrator()
    old = client.get("/api/v1/models?state=retired").json()["items"][0]["id"]
    answer = client.post(f"/api/v1/models/{old}/verify").json()
    assert (answer["ok"], answer["problem"]["code"]) == (False, "wrong_hash")
    assert answer["found_digest"] != answer["digest"]
    assert client.post(f"/api/v1/models/{old}/rollback", json={"reason": "x"}).status_code == 409


def test_a_finding_is_explained_in_both_languages_and_made_again(plant: Plant, machines: Machines) -> None:
    finding = trouble(machines)
    client = plant.administrator()
    told = client.get(f"/api/v1/findings/{finding}/explanation").json()
    first = told["lines"][0]
    assert first["code"] == "explain.residual_high"
    assert first["en"].startswith("Outlet is higher than the other readings explain")
    assert first["zh"].startswith("出口高于")
    assert {line["code"] for line in told["lines"]} >= {"explain.since", "explain.no_regime", "explain.level"}
    assert not any("{" in line[language] for line in told["lines"] for language in texts.LANGUAGES)
    assert told["snapshot"]["same_versions"] is True
    assert told["similar"] == []
    again = client.post(f"/api/v1/findings/{finding}/reproduce").json()
    assert (again["reproduced"], again["code"], again["differences"]) == (True, "identical", [])
    assert again["versions"]["stored"] == again["versions"]["here"]


def test_the_work_order_keeps_its_explanation(plant: Plant, machines: Machines) -> None:
    finding = trouble(machines)
    client = plant.administrator()
    [order] = [o for o in client.get("/api/v1/work-orders?origin=finding").json()["items"] if o["noticed"]]
    kept = order["noticed"]["explanation"]
    told = client.get(f"/api/v1/findings/{finding}/explanation").json()
    assert kept["lines"] == told["lines"][: len(kept["lines"])]
    assert kept["snapshot_ref"] == told["snapshot"]["ref"]


def test_remaining_life_or_why_there_is_none(plant: Plant, machines: Machines) -> None:
    client, asset = plant.administrator(), machines.ids["P-1"]
    path = f"/api/v1/assets/{asset}/remaining-life"
    assert client.get(path).json()["reason"]["code"] == "no_model"
    with plant.database.as_service() as session:
        seen = Estimate(NOW, 9e5, 4e5, 2e6, 0.9, ((604800.0, 0.2),), model_id="life-1")
        save_life(session, plant.operator.id, asset, seen, NOW)
        older = Estimate(NOW - timedelta(days=1), reason="no_degradation_seen")
        save_life(session, plant.operator.id, asset, older, NOW)
    told = client.get(path).json()
    assert (told["state"], told["life_s"], told["low_s"], told["high_s"]) == ("estimate", 9e5, 4e5, 2e6)
    assert told["p_within"] == [{"seconds": 604800.0, "p": 0.2}]
    with plant.database.as_service() as session:
        none = Estimate(NOW + timedelta(days=1), reason="no_degradation_seen")
        save_life(session, plant.operator.id, asset, none, NOW)
    told = client.get(path).json()
    assert (told["state"], told["life_s"], told["reason"]["code"]) == ("no_estimate", None, "no_degradation_seen")


def test_training_is_asked_for_and_says_what_came_of_it(plant: Plant, machines: Machines) -> None:
    client = plant.administrator()
    asked = client.post("/api/v1/training-runs")
    assert (asked.status_code, asked.json()) == (202, {"queued": True})
    with plant.database.as_service() as session:
        waiting = session.execute(text("SELECT task_name FROM procrastinate_jobs")).scalars().all()
        assert waiting == ["train_models"]
        refused = {"what": "all", "code": "one_class", "params": {"moments": 9, "failing": 9}, "model_id": None}
        run = TrainingRun(organisation_id=plant.operator.id, started_at=NOW, asset_models=[], outcomes=[refused])
        session.add(run)
    [told] = client.get("/api/v1/training-runs").json()["items"]
    assert told["outcomes"][0]["en"].startswith("All moments look alike: 9 of 9")


@pytest.fixture
def forewarn(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run `forewarn model …`; the exit code and what it said."""
    monkeypatch.setenv("FOREWARN_DATABASE_URL", plain_url(database_url))

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["model", *arguments, "--json"])
        said = capsys.readouterr().out
        return code, json.loads(said) if said.strip() else {}

    return run


def test_one_command_goes_back(
    plant: Plant, machines: Machines, forewarn: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    store_two(plant)
    code, back = forewarn("rollback", NAME, "--reason", "too many false alarms")
    assert (code, back["version"], back["state"]) == (0, 1, "champion")
    code, listed = forewarn("list")
    assert (code, [(m["version"], m["state"]) for m in listed["items"]]) == (0, [(2, "retired"), (1, "champion")])
    assert forewarn("rollback", NAME)[0] == 1, "there is no earlier version"
    assert forewarn("rollback", NAME, "--to", "2")[1]["version"] == 2
    assert forewarn("verify")[1]["ok"] is True
    assert forewarn("show", "supervised-1")[1]["card"]["figures"]["recall"] == 0.9


def test_training_says_what_it_had_too_little_of(
    plant: Plant, machines: Machines, forewarn: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    code, said = forewarn("train")
    assert code == 0
    assert [(each["what"], each["code"]) for each in said["outcomes"]] == [
        ("all", "too_few_assets"),
        ("wear", "nothing_known_of_wear"),
        ("openers", "too_few_incidents"),
    ]
    [run] = plant.administrator().get("/api/v1/training-runs").json()["items"]
    assert run["outcomes"][0]["en"].startswith("Too few machines to learn from: 0 of")


def test_training_runs_in_a_process_of_its_own(plant: Plant, machines: Machines, tmp_path: Path) -> None:
    def runs() -> list[Any]:
        return list(plant.administrator().get("/api/v1/training-runs").json()["items"])

    assert start_training(plant.database, tmp_path)
    assert not start_training(plant.database, tmp_path), "one at a time"
    wait_until(lambda: any(run["finished_at"] for run in runs()), seconds=120)


def test_a_finding_is_made_again_in_another_process(plant: Plant, machines: Machines, database_url: str) -> None:
    finding = trouble(machines)
    command = [sys.executable, "-m", "gateway.main", "model", "reproduce", finding, "--json"]
    environment = {**os.environ, "FOREWARN_DATABASE_URL": plain_url(database_url)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (0, "identical")
