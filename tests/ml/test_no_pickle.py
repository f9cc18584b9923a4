"""Nothing that is loaded can run code: no pickle anywhere in the product, and arrays are read without it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("gateway", "ml", "ingest", "maintenance", "ticketing", "assets", "edge_agent", "tests", "deploy")
MODULES = frozenset({"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"})
# What stores or loads objects through pickle, whichever object it is asked of.
CALLS = frozenset({"read_pickle", "to_pickle", "unsafe_load", "full_load"})
OWN = {("joblib", "dump"), ("joblib", "load"), ("torch", "load"), ("torch", "save"), ("np", "fromstring")}
HINT = re.compile(r"pickle|dill|shelve|marshal|joblib|torch|np\.load|np\.fromstring|unsafe_load|full_load")


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "node_modules" not in path.parts]


def offences(code: str) -> Iterator[str]:
    """What in this code would make or read pickles."""
    if not HINT.search(code):  # reading code as a tree takes its time
        return
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in MODULES:
            yield f"from {node.module} import"
        elif isinstance(node, ast.ImportFrom) and node.module == "joblib":
            yield from (f"from joblib import {a.name}" for a in node.names if a.name in ("dump", "load"))
        elif isinstance(node, ast.Call):
            yield from _offence(node)


def _offence(call: ast.Call) -> Iterator[str]:
    for word in call.keywords:
        if word.arg == "allow_pickle" and not (isinstance(word.value, ast.Constant) and word.value.value is False):
            yield "allow_pickle"
    if not isinstance(call.func, ast.Attribute):
        return
    owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    if call.func.attr in CALLS or (owner, call.func.attr) in OWN:
        yield f"{owner}.{call.func.attr}"
    if (owner, call.func.attr) == ("np", "load") and not any(word.arg == "allow_pickle" for word in call.keywords):
        yield "np.load without allow_pickle=False"


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib\njoblib.load(p)",
        "from joblib import dump",
        "np.load(p)",
        "np.load(p, allow_pickle=True)",
        "frame.to_pickle(p)",
        "import cloudpickle as c",
    ],
)
def test_the_search_finds_what_it_looks_for(code: str) -> None:
    assert list(offences(code))


def test_no_pickle_anywhere() -> None:
    found = {str(path.relative_to(ROOT)): list(offences(path.read_text(encoding="utf-8"))) for path in sources()}
    assert len(found) > 200
    assert {path: what for path, what in found.items() if what} == {}


def test_no_pickled_file_is_kept() -> None:
    kept = [p for room in ROOMS for p in (ROOT / room).rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib", ".pt")]
    assert [p for p in kept if "node_modules" not in p.parts] == []
