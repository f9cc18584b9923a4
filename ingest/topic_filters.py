"""MQTT topic filters: whether one is valid, matches a topic, covers or overlaps another."""

from __future__ import annotations

MAX_FILTER_CHARS = 200
MAX_LEVELS = 32


def is_filter(text: str) -> bool:
    """True for a filter that MQTT allows, of bounded length; `$…` topics are the broker's own."""
    if not 0 < len(text) <= MAX_FILTER_CHARS or not text.isprintable() or text != text.strip() or text[0] == "$":
        return False
    levels = text.split("/")
    return (
        len(levels) <= MAX_LEVELS
        and all("#" not in level for level in levels[:-1])
        and (levels[-1] == "#" or "#" not in levels[-1])
        and all(level == "+" or "+" not in level for level in levels)
    )


def matches(topic_filter: str, topic: str) -> bool:
    """True when a subscription to the filter receives the topic."""
    wanted, found = topic_filter.split("/"), topic.split("/")
    if found[0].startswith("$") and wanted[0] in ("#", "+"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(found) or level not in ("+", found[index]):
            return False
    return len(wanted) == len(found)


def covers(wide: str, narrow: str) -> bool:
    """True when every topic of `narrow` is one of `wide`."""
    return _compare(wide.split("/"), narrow.split("/"), narrow_may_widen=False)


def overlaps(one: str, other: str) -> bool:
    """True when some topic belongs to both."""
    return _compare(one.split("/"), other.split("/"), narrow_may_widen=True)


def _compare(wide: list[str], narrow: list[str], *, narrow_may_widen: bool) -> bool:
    for index in range(max(len(wide), len(narrow)) + 1):
        mine = wide[index] if index < len(wide) else None
        other = narrow[index] if index < len(narrow) else None
        if mine == "#":  # also the level above: `a/#` is `a` too
            return True
        if other == "#":
            return narrow_may_widen
        if mine is None or other is None:
            return mine is None and other is None
        if mine == other or mine == "+" or (narrow_may_widen and other == "+"):
            continue
        return False
    return True


def rank(topic_filter: str) -> tuple[int, ...]:
    """Return a key by which, of the filters that match a topic, the most specific sorts first."""
    return tuple({"+": 1, "#": 2}.get(level, 0) for level in topic_filter.split("/"))
