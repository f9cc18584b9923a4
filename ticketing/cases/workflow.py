"""Stages of a service type: which there are, which comes after which, and which children each opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assets.base.errors import IllegalMove, Invalid

CHILD_KINDS = ("work_order", "visit", "shipment", "quality_analysis", "remote_diagnosis")
MAX_STAGES = 20
MAX_CODE = 40
MAX_NAME = 100
_KEYS = {"code", "name_en", "name_zh", "next", "approval", "children", "public"}


class WorkflowRefused(Invalid):
    """A workflow is broken; params: `path` (JSON pointer), `reason`."""

    code = "workflow_refused"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `approval`: leaving it forward needs somebody who may approve. `children`: what it may open."""

    code: str
    name_en: str
    name_zh: str
    next: tuple[str, ...]
    approval: bool
    children: tuple[str, ...]
    public: bool


def stages_of(workflow: dict[str, Any] | None) -> list[Stage]:
    """Return the stages as they were checked when they were written; none for a type without a workflow."""
    return [
        Stage(
            code=each["code"],
            name_en=each["name_en"],
            name_zh=each["name_zh"],
            next=tuple(each.get("next", ())),
            approval=bool(each.get("approval", False)),
            children=tuple(each.get("children", ())),
            public=bool(each.get("public", True)),
        )
        for each in (workflow or {}).get("stages", ())
    ]


def check_workflow(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the workflow when every stage can be reached from the first and every one leads to an end.

    Raises WorkflowRefused with the place of the error.
    """
    if not workflow:
        return workflow
    raw = workflow.get("stages")
    if set(workflow) != {"stages"} or not isinstance(raw, list) or not 1 <= len(raw) <= MAX_STAGES:
        raise _refused("/stages", f"a workflow has 'stages', 1 to {MAX_STAGES} of them")
    for index, each in enumerate(raw):
        _check_stage(f"/stages/{index}", each)
    stages = stages_of(workflow)
    codes = [stage.code for stage in stages]
    for index, stage in enumerate(stages):
        if stage.code in codes[:index]:
            raise _refused(f"/stages/{index}/code", f"there are two stages {stage.code!r}")
        for place, follower in enumerate(stage.next):
            if follower not in codes:
                raise _refused(f"/stages/{index}/next/{place}", f"there is no stage {follower!r}")
    _check_paths(stages)
    return workflow


def check_stage_move(workflow: dict[str, Any] | None, at: str | None, to: str) -> Stage:
    """Return the stage to move to. Raises IllegalMove that names what may come next."""
    stages = {stage.code: stage for stage in stages_of(workflow)}
    legal = list(stages[at].next) if at in stages else list(stages)[:1]
    if to not in legal:
        text = f"after {at or 'nothing'} comes {', '.join(legal) or 'nothing'}, not {to}"
        raise IllegalMove(text, state=at, to=to, legal=legal)
    return stages[to]


def needs_approval(workflow: dict[str, Any] | None, at: str | None) -> bool:
    """Return whether going on from this stage needs an approval."""
    return any(stage.code == at and stage.approval for stage in stages_of(workflow))


def approval_ahead(workflow: dict[str, Any] | None, at: str | None, approved: str | None = None) -> bool:
    """Return whether no way leads from this stage to an end without an approval. `approved`: a stage that has one."""
    stages = {stage.code: stage for stage in stages_of(workflow)}
    seen: set[str] = set()
    waiting = [at] if at in stages else []
    while waiting:
        stage = stages[waiting.pop() or ""]
        if stage.code in seen or (stage.approval and stage.code != approved):
            continue
        if not stage.next:
            return False
        seen.add(stage.code)
        waiting.extend(stage.next)
    return at in stages


def _check_stage(path: str, stage: Any) -> None:
    if not isinstance(stage, dict):
        raise _refused(path, "a stage is an object")
    if unknown := sorted(set(stage) - _KEYS):
        raise _refused(f"{path}/{unknown[0]}", f"a stage has {', '.join(sorted(_KEYS))}")
    for name, limit in (("code", MAX_CODE), ("name_en", MAX_NAME), ("name_zh", MAX_NAME)):
        words = stage.get(name)
        if not isinstance(words, str) or not words.strip() or len(words) > limit or not words.isprintable():
            raise _refused(f"{path}/{name}", f"{name} has 1 to {limit} characters")
    for name in ("next", "children"):
        listed = stage.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise _refused(f"{path}/{name}", f"{name} is a list of codes")
    for place, kind in enumerate(stage.get("children", ())):
        if kind not in CHILD_KINDS:
            raise _refused(f"{path}/children/{place}", f"a child is one of {', '.join(CHILD_KINDS)}")
    for name in ("approval", "public"):
        if not isinstance(stage.get(name, False), bool):
            raise _refused(f"{path}/{name}", f"{name} is true or false")


def _check_paths(stages: list[Stage]) -> None:
    following = {stage.code: set(stage.next) for stage in stages}
    reached, waiting = set(), [stages[0].code]
    while waiting:
        code = waiting.pop()
        if code not in reached:
            reached.add(code)
            waiting.extend(following[code])
    ending = {code for code, after in following.items() if not after}
    while more := {code for code, after in following.items() if code not in ending and after & ending}:
        ending |= more
    for index, stage in enumerate(stages):
        if stage.code not in reached:
            raise _refused(f"/stages/{index}", f"nothing leads to {stage.code!r}")
        if stage.code not in ending:
            raise _refused(f"/stages/{index}/next", f"{stage.code!r} never comes to an end")


def _refused(path: str, reason: str) -> WorkflowRefused:
    return WorkflowRefused(f"{path}: {reason}", field="workflow", path=path, reason=reason)
