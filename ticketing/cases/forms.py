"""Forms of service types: JSON Schemas that are checked when they are written, and answers that are checked by them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from assets.base.errors import Invalid

# Python shows how it reads a pattern only here, and has since 3.11.
_parser: Any = import_module("re._parser")
_words: Any = import_module("re._constants")

MAX_BYTES = 64 * 1024  # a form that a person fills in is a few kilobytes
MAX_FIELDS = 60
MAX_DEPTH = 6
MAX_PATTERN = 200
MAX_ANSWERS = 32 * 1024
MAX_ERRORS = 20
MAX_MATCHED = 128  # characters of an answer that a pattern looks at
MAX_REPEATS = 3  # without a small bound, in one pattern: three of them look at 128 characters in milliseconds
# Nothing is fetched: a reference leads to a place in the same form.
_NOWHERE: Registry[Any] = Registry()
_FORMATS = FormatChecker(["date", "time", "email", "uuid", "ipv4"])
_REPEATS = (_words.MAX_REPEAT, _words.MIN_REPEAT, _words.POSSESSIVE_REPEAT)
_SINGLE = (_words.LITERAL, _words.NOT_LITERAL, _words.IN, _words.ANY, _words.RANGE, _words.CATEGORY)


class FormRefused(Invalid):
    """A form's schema is broken; params: `path` (JSON pointer), `reason`."""

    code = "form_refused"


class AnswersRefused(Invalid):
    """Answers do not fit the form; params: `errors`, each with `path`, `rule` and `message`."""

    code = "answers_refused"


def check_form(form: dict[str, Any]) -> dict[str, Any]:
    """Return the form when it is a sound JSON Schema of one object, bounded and without references to elsewhere.

    `order` names its fields as they are asked, those it left out last: the database keeps no order of keys.
    Raises FormRefused with the place of the error as a JSON pointer ('/properties/when/type').
    """
    if len(json.dumps(form, ensure_ascii=False, default=str).encode(errors="replace")) > MAX_BYTES:
        raise _refused("", f"a form has at most {MAX_BYTES} bytes")
    if not form:
        return form  # asks nothing
    for path, depth, node in _nodes(form):
        _check_node(path, depth, node)
    wrong = list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(form))
    if wrong:
        found = min(wrong, key=lambda error: len(error.absolute_path))
        found = next((each for each in found.context or () if each.validator == "enum"), found)
        raise _refused(_pointer(found.absolute_path), found.message[:300])
    if form.get("type") != "object":
        raise _refused("/type", "a form is an object: its type is 'object'")
    properties = form.get("properties", {})
    if len(properties) > MAX_FIELDS:
        raise _refused("/properties", f"a form has at most {MAX_FIELDS} fields")
    for index, name in enumerate(form.get("required", ())):
        if name not in properties:
            raise _refused(f"/required/{index}", f"there is no field {name!r}")
    _check_references(form)
    return form | {"order": _order(form.get("order"), properties)}


def _order(told: Any, properties: dict[str, Any]) -> list[str]:
    first = [name for name in told if isinstance(name, str) and name in properties] if isinstance(told, list) else []
    return list(dict.fromkeys([*first, *properties]))


def check_answers(form: dict[str, Any], answers: dict[str, Any], *, partly: bool = False) -> dict[str, Any]:
    """Return the answers when they fit the form. `partly`: what is still missing is no error.

    Raises AnswersRefused with the place of every error.
    """
    if len(json.dumps(answers, ensure_ascii=False, default=str).encode(errors="replace")) > MAX_ANSWERS:
        raise AnswersRefused(f"answers have at most {MAX_ANSWERS} bytes", field="answers", errors=[])
    if not form:
        if answers:
            raise AnswersRefused("this service asks nothing", field="answers", errors=[])
        return {}
    wanted = dict(form)
    if partly:
        wanted.pop("required", None)
    wanted.setdefault("additionalProperties", False)
    validator = _Validator(wanted, registry=_NOWHERE, format_checker=_FORMATS)
    errors = list(islice(validator.iter_errors(answers), MAX_ERRORS))
    if errors:
        shown = sorted((_shown(error) for error in errors), key=lambda each: (each["path"], each["rule"]))
        text = "; ".join(f"{each['path'] or '/'}: {each['message']}" for each in shown[:3])
        raise AnswersRefused(text, field="answers", errors=shown)
    return answers


def _shown(error: ValidationError) -> dict[str, Any]:
    path = list(error.absolute_path)
    if error.validator == "required":  # the place of what is missing, not of what lacks it
        missing = re.match(r"'(.*?)' is a required property", error.message)
        path += [missing.group(1)] if missing else []
    return {"path": _pointer(path), "rule": str(error.validator), "message": error.message[:200]}


def _check_node(path: str, depth: int, node: dict[str, Any]) -> None:
    if depth > MAX_DEPTH:
        raise _refused(path, f"a form is at most {MAX_DEPTH} levels deep")
    for word in ("$ref", "$dynamicRef"):
        target = node.get(word)
        if target is not None and not (isinstance(target, str) and target.startswith("#/$defs/")):
            raise _refused(f"{path}/{word}", "a reference leads to #/$defs/ of the same form")
    for word in ("$id", "$schema", "$anchor", "$dynamicAnchor"):
        if word in node and (word != "$schema" or path):
            raise _refused(f"{path}/{word}", f"{word} has no place in a form")
    if isinstance(node.get("pattern"), str):
        _check_pattern(f"{path}/pattern", node["pattern"])
    if "patternProperties" in node:
        raise _refused(f"{path}/patternProperties", "fields have names")


def _check_pattern(path: str, pattern: str) -> None:
    """A pattern is matched against what customers type: one that may take for ever is refused."""
    if len(pattern) > MAX_PATTERN:
        raise _refused(path, f"a pattern has at most {MAX_PATTERN} characters")
    try:
        parsed = _parser.parse(pattern)
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _refused(path, f"not a pattern: {error}") from None
    repeats = list(_repeats(parsed))
    if not all(repeats):
        raise _refused(path, "a repetition of a group may take for ever; repeat single characters")
    if len(repeats) > MAX_REPEATS:
        raise _refused(path, f"at most {MAX_REPEATS} repetitions without a bound below 10")


def _repeats(parsed: Any) -> Iterator[bool]:
    """Yield, for each repetition of more than 10, whether it repeats a single character."""
    for operation, argument in parsed:
        if operation in _REPEATS and argument[1] > 10:
            yield len(argument[2]) == 1 and argument[2][0][0] in _SINGLE
        for each in _parts(argument):
            yield from _repeats(each)


def _parts(argument: Any) -> Iterator[Any]:
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for each in argument:
            yield from _parts(each)


def _bounded_pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and (len(value) > MAX_MATCHED or not re.search(pattern, value)):
        yield ValidationError(f"{value[:60]!r} does not match {pattern!r}")


_Validator: Any = extend(Draft202012Validator, {"pattern": _bounded_pattern})


def _nodes(form: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield every object of the schema with its place; bounded, whatever somebody sends."""
    if depth > 4 * MAX_DEPTH:
        raise _refused(path, "nested too deeply")
    if isinstance(form, dict):
        yield path, path.count("/properties/"), form
        for name, each in form.items():
            if name not in ("enum", "const", "default", "examples"):
                yield from _nodes(each, f"{path}/{_escaped(name)}", depth + 1)
    elif isinstance(form, list):
        for index, each in enumerate(form):
            yield from _nodes(each, f"{path}/{index}", depth + 1)


def _check_references(form: dict[str, Any]) -> None:
    """A reference that leads nowhere or to itself would fail when a customer sends the form."""
    definitions = form.get("$defs", {})
    for path, _, node in _nodes(form):
        target = node.get("$ref")
        if target is None:
            continue
        name = str(target).removeprefix("#/$defs/")
        if name not in definitions:
            raise _refused(f"{path}/$ref", f"there is no definition {name!r}")
        if any("$ref" in inner for _, _, inner in _nodes(definitions[name])):
            raise _refused(f"{path}/$ref", "a definition refers to no other definition")


def _pointer(path: Any) -> str:
    return "".join(f"/{_escaped(str(part))}" for part in path)


def _escaped(part: str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _refused(path: str, reason: str) -> FormRefused:
    return FormRefused(f"{path or '/'}: {reason}", field="form", path=path, reason=reason)
