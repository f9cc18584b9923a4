"""The words of a mail: HTML made into plain text, and what was quoted or signed folded away."""

from __future__ import annotations

import re
from html.parser import HTMLParser

MAX_LINES = 8000
_BREAKS = frozenset(
    {"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "ul", "ol", "hr", "pre"}
)
_UNSEEN = frozenset({"script", "style", "head", "title", "template", "noscript", "svg", "math", "object", "iframe"})
_QUOTED = frozenset({"gmail_quote", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "qmbox"})
_QUOTED_IDS = frozenset({"divRplyFwdMsg", "appendonsend", "isForwardContent", "OLK_SRC_BODY_SECTION", "isReplyContent"})
# The line above what somebody answers to, as programs write it.
_HEADS = tuple(
    re.compile(each, re.IGNORECASE)
    for each in (
        r"^-{2,}\s*(?:original message|original appointment|forwarded message|ursprüngliche nachricht"
        r"|原始邮件|原邮件|原始郵件|转发邮件信息|回复的原邮件)\s*-{2,}$",
        r"^-{5,}\s*$",
        r"^_{10,}\s*$",
        r"^on .{4,200}(?:wrote|writes):$",
        r"^am .{4,200}schrieb.{0,200}:$",
        r"^在?\s*\d{4}\s*[年/.-].{0,200}(?:写道|寫道)\s*[:：]$",
        r"^.{0,200}(?:写道|寫道)\s*[:：]$",
        r"^(?:发件人|發件人|寄件者)\s*[:：].{1,300}$",
    )
)
_FROM_LINE = re.compile(r"^(?:from|von|de)\s*:\s*.{1,300}$", re.IGNORECASE)
_NEXT_LINE = re.compile(r"^(?:sent|date|to|subject|gesendet|datum|an|betreff)\s*:", re.IGNORECASE)
_SIGNATURE = re.compile(
    r"^(?:--\s?|—\s?|sent from my .{1,60}|发自我的.{1,40}|從我的.{1,40}傳送|获取 outlook for .{1,20})$", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def readable(words: str) -> str:
    """Return words without what cannot be stored or read: control characters, halves of characters."""
    return _CONTROL.sub("", words.replace("\r\n", "\n").replace("\r", "\n"))


def fold(body: str) -> tuple[str, str]:
    """Return what somebody wrote, and what they quoted at the end or signed with; nothing is lost.

    Quotes that are answered below them stay: without them the answer says nothing.
    """
    lines = [line.rstrip() for line in body.split("\n")[:MAX_LINES]]
    cut = _cut(lines)
    shown = re.sub(r"\n{3,}", "\n\n", "\n".join(lines[:cut])).strip()
    if not shown:
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), ""
    return shown, "\n".join(lines[cut:]).strip()


def _cut(lines: list[str]) -> int:
    for index, line in enumerate(lines):
        plain = line.strip(" \t\xa0>*")
        if not line.lstrip().startswith(">") and _is_head(lines, index, plain):
            return index
        if index > 0 and (line == "--" or _SIGNATURE.match(line if line.startswith("--") else plain)):
            return index
    last = len(lines)
    while last and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith(">")):
        last -= 1  # what is quoted at the end
    return last


def _is_head(lines: list[str], index: int, plain: str) -> bool:
    if any(each.match(plain) for each in _HEADS):
        # A ruler alone is one only where the head of a mail follows.
        ruler = not plain.strip("-_")
        return not ruler or any(
            _FROM_LINE.match(each.strip(" *")) or each.strip().startswith(("发件人", "寄件者"))
            for each in lines[index + 1 : index + 4]
        )
    following = [each.strip(" *") for each in lines[index + 1 : index + 4]]
    if _FROM_LINE.match(plain) and any(_NEXT_LINE.match(each) for each in following):
        return True
    # The line that a program has broken in two: "On … \n wrote:".
    joined = f"{plain} {following[0]}" if following else plain
    return (
        len(plain) > 10 and plain.lower().startswith(("on ", "am ")) and any(each.match(joined) for each in _HEADS[3:5])
    )


class _Words(HTMLParser):
    """Collects the words that a browser would show; nothing is run or loaded."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line, or what is not shown."""
        given = {name: value or "" for name, value in attrs}
        hidden = "display:none" in given.get("style", "").replace(" ", "").lower()
        if (tag in _UNSEEN or hidden) and tag not in ("br", "img", "hr", "meta", "link", "input"):
            self._unseen.append(tag)
            return
        if self._unseen:
            if tag == self._unseen[-1]:
                self._unseen.append(tag)
            return
        if set(given.get("class", "").split()) & _QUOTED or given.get("id") in _QUOTED_IDS:
            self.words.append("\n-----Original Message-----\n")
        if tag == "td":
            self.words.append(" ")
        if tag in _BREAKS:
            self.words.append("\n")
        if tag == "li":
            self.words.append("- ")

    def handle_endtag(self, tag: str) -> None:
        """End a line, or what is not shown."""
        if self._unseen:
            if tag == self._unseen[-1]:
                self._unseen.pop()
            elif tag in ("body", "html"):
                self._unseen.clear()
            return
        if tag in _BREAKS and tag != "br":
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        if not self._unseen:
            self.words.append(re.sub(r"\s+", " ", data))


def text_of_html(html: str) -> str:
    """Return the words of an HTML mail, line by line; addresses behind links are left out."""
    reader = _Words()
    try:
        reader.feed(html)
        reader.close()
    except (AssertionError, ValueError):  # the parser's own, on what is no HTML at all
        pass
    lines = [" ".join(line.replace("\xa0", " ").split()) for line in "".join(reader.words).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
