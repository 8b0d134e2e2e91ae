"""What many of the author's messages end or begin with and nobody composes: contact blocks, disclaimers, footers."""

from __future__ import annotations

import re
from hashlib import blake2b

HEAD_LINES = 3
TAIL_LINES = 16
MIN_MESSAGES = 5
MIN_SHARE = 0.02
MAX_LINES_COUNTED = 100_000

_DELIMITER = re.compile(r"--\s?$")
_LIST_RULE = re.compile(r"_{2,}$")
_LIST_FOOTER = re.compile(r".{0,80}\b(?:mailing list|mailing-list|Mailingliste|liste de diffusion)\b", re.IGNORECASE)
_MAX_DELIMITED_LINES = 20
_DEVICE = re.compile(
    r"\W{0,3}(?:Sent (?:from|via) (?:my|Yahoo|Outlook|Mail for|Gmail|Proton|Samsung|the |BlackBerry|\w+<http)|"
    r"Get Outlook for|Von meinem \w+ gesendet|(?:Diese Nachricht wurde )?(?:Gesendet|Verschickt) (?:von|mit|über)|"
    r"Envoy\S{1,2} (?:de|depuis|à partir d\S) ?(?:mon|ma|Outlook)|Enviado (?:desde|de|do|da) (?:mi|mis|meu|minha|Outlook)|"
    r"Inviato d\S{1,3} (?:mio )?i?\w+|Verzonden v(?:an|ia) |Skickat från min|Sendt fra min|Lähetetty |Wysłan[oe] z|"
    r"Отправлено с|Надіслано з|Télécharg\w+ Outlook|iPhoneから送信|发自我的|發自我的)"
    r"[^.,!?\n]{0,50}(?:\([^)\n]{1,40}\)|<?http\S+)?\.?\s*$",
    re.IGNORECASE,
)
_MAX_DEVICE_WORDS = 9
_MAX_DEVICE_CHARACTERS = 150
_RULE = re.compile(r"[-_=*~#—–•· ]{3,}$")
_SCRUBBED = re.compile(
    r"(?:^-{5,} next part -{5,}$|^An? [^\n]{0,40}(?:text|attachment|message) was scrubbed\.\.\.$|"
    r"^\[\[alternative HTML version deleted\]\]$)",
    re.MULTILINE,
)

_CONTACT = re.compile(
    r"https?://|www\.|\S@\S|<(?:email|phone|address)>|\||\+?\d[\d\s()./-]{6,}\d|(?:\d\D{0,3}){5}|^\W*[-_=*~#—–]{3,}|[-_=*#]{5,}$"
)
_POSITION = re.compile(
    r"\b(?:(?:vice )?president|director|manager|professor|prof|lecturer|engineer|developer|consultant|analyst|assistant|"
    r"attorney|counsel|officer|chair(?:man|woman)?|ceo|cto|cfo|coo|head of|founder|associate|secretary|"
    r"department|dept|division|office of|faculty|school of|universit\S*|institut\S*|college|laborator\w+|centre|center|"
    r"corp(?:oration)?|inc|ltd|llc|llp|gmbh|plc|company|foundation|"
    r"tel|phone|fax|mobile|e-?mail|telefon|t\S{1,2}l|street|avenue|road|suite|floor|box|str|straße|rue)\b[.:]?",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"confidential|intended (?:solely|only|recipient|for)|privileged|unauthori[sz]ed|disclaimer|dissemination|"
    r"vertraulich|confidentiel|confidencial|riservat|vertrouwelijk|unsubscribe|mailing list",
    re.IGNORECASE,
)
_LONG_PARAGRAPH_CHARACTERS = 200
_MAX_PLAIN_WORDS = 6
_DIGIT = re.compile(r"\d")


def without_signature(text: str) -> str:
    """`text` without what anyone's mail program or mailing list put below it: a signature set off by "-- ", the line
    that names the device, what a list says of attachments it took off. One line alone is never a signature."""
    if "\n" not in text:
        return text
    if "scrubbed" in text or "version deleted" in text or "next part" in text:
        text = _without_scrubbed(text)
    lines = text.splitlines()
    cut = min(_delimiter(lines), _device(lines), _list_footer(lines))
    return text if cut == len(lines) else _without_rules(lines[:cut])


def _without_scrubbed(text: str) -> str:
    match = _SCRUBBED.search(text)
    return text if match is None else text[: match.start()].rstrip()


def _delimiter(lines: list[str]) -> int:
    """Where the first "-- " stands that no more follows than a signature holds; the number of lines where none does."""
    first = max(0, len(lines) - _MAX_DELIMITED_LINES)
    return next((index for index in range(first, len(lines)) if _DELIMITER.match(lines[index])), len(lines))


def _device(lines: list[str]) -> int:
    """Where the line stands that names the device or program. What is below it is not the author's: mail programs put
    that line above the quote."""
    for index, line in enumerate(lines):
        if 8 < len(line) < _MAX_DEVICE_CHARACTERS and _DEVICE.match(line) and len(line.split()) <= _MAX_DEVICE_WORDS:
            return index
    return len(lines)


def _list_footer(lines: list[str]) -> int:
    """Where the footer of a mailing list begins: a rule with the list's name below it."""
    for index in range(max(0, len(lines) - _MAX_DELIMITED_LINES), len(lines) - 1):
        if _LIST_RULE.match(lines[index]) and _LIST_FOOTER.match(lines[index + 1]):
            return index
    return len(lines)


class Boilerplate:
    """Ends and beginnings that many of the author's messages share, learnt in one pass.

    A line is shared where it stands among the first 3 or last 16 lines of at least 5 messages and 2 % of those that have
    more than one line. It goes only where it, or one near it, is plainly no writing: an address, a number, a title, a
    company, a rule, a legal notice. So "Thanks," and "Tim" stay, and so does whatever a person ends each message with.

    Counts are bounded: past 100,000 lines every count is lowered until half are gone (Misra and Gries, "Finding repeated
    elements", 1982), so a line is missed only if it is rarer than one in 50,000.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.counts: dict[int, int] = {}
        self.shared: frozenset[int] = frozenset()

    def see(self, text: str) -> None:
        """Count the edge lines of one of the author's messages (its own part). One-line messages are not looked at."""
        if "\n" not in text:
            return
        lines = without_signature(text).splitlines()
        edge = {_key(lines[index]) for index in _edge(lines)}
        if len(lines) < 2:
            return
        self.messages += 1
        for key in edge:
            self.counts[key] = self.counts.get(key, 0) + 1
        if len(self.counts) > MAX_LINES_COUNTED:
            self._lower()

    def _lower(self) -> None:
        """Lower every count by what at least half of them have at most, and forget those that reach 0."""
        middle = sorted(self.counts.values())[len(self.counts) // 2]
        self.counts = {key: count - middle for key, count in self.counts.items() if count > middle}

    def settle(self) -> None:
        """End of learning: what is shared is known from here on, and the counts are let go."""
        least = max(MIN_MESSAGES, MIN_SHARE * self.messages)
        self.shared = frozenset(key for key, count in self.counts.items() if count >= least)
        self.counts = {}

    def strip(self, text: str) -> str:
        """`text` without signature and shared lines; itself where it has none, and always where it is one line."""
        if "\n" not in text:
            return text
        text = without_signature(text)
        if not self.shared:
            return text
        lines = text.splitlines()
        written = [index for index, line in enumerate(lines) if line and not line.isspace()]
        known = [_key(lines[index]) in self.shared for index in written[-TAIL_LINES:]]
        end = _end_block(lines, written[-TAIL_LINES:], known)
        known = [_key(lines[index]) in self.shared for index in written[:HEAD_LINES]]
        gone = {*end, *_begin_block(lines, written[:HEAD_LINES], known)}
        return _without_rules(_without(lines, gone)) if gone else text


def _key(line: str) -> int:
    """A line's fingerprint: without blank ends, and with all digits alike, so that a line with a date is one line."""
    plain = _DIGIT.sub("0", " ".join(line.split()))
    return int.from_bytes(blake2b(plain.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _edge(lines: list[str]) -> list[int]:
    """The first 3 and the last 16 lines with something on them."""
    written = [index for index, line in enumerate(lines) if line and not line.isspace()]
    return written if len(written) <= HEAD_LINES + TAIL_LINES else written[:HEAD_LINES] + written[-TAIL_LINES:]


def _end_block(lines: list[str], written: list[int], known: list[bool]) -> list[int]:
    """The shared lines that go from the end: all from the first that is plainly no writing.

    Below that first one hardly anything is the author's: a line that is not shared may stand there only if three are and
    it is no sentence; it stays unless it is plainly no writing either and has shared lines on both sides. A line announced
    by a colon is what the message is about. A legal notice goes from its beginning.
    """
    for place, index in enumerate(written):
        if not (known[place] and _is_contact(lines[index])) or 4 * sum(known[place:]) < 3 * len(known[place:]):
            continue
        if _has_sentence(lines, written[place:], known[place:]) or (
            place and lines[written[place - 1]].rstrip()[-1] == ":"
        ):
            continue
        start, stop = _notice_start(lines, written, known, place), _closing(lines, written, place)
        last = max(number for number in range(start, stop) if known[number])
        return [written[n] for n in range(start, stop) if known[n] or (n < last and _has_mark(lines[written[n]]))]
    return []


def _has_sentence(lines: list[str], written: list[int], known: list[bool]) -> bool:
    """Whether the author goes on writing here."""
    unknown = (lines[index] for index, shared in zip(written, known, strict=True) if not shared)
    return any(len(line.split()) > _MAX_PLAIN_WORDS and not _has_mark(line) for line in unknown)


def _notice_start(lines: list[str], written: list[int], known: list[bool], place: int) -> int:
    """Where a legal notice begins whose first telling line stands at `place`; `place` itself where there is none."""
    if any(_LEGAL.search(lines[below]) for below in written[place:]):
        while place and known[place - 1] and not _is_plain(lines[written[place - 1]]):
            place -= 1
    return place


def _closing(lines: list[str], written: list[int], place: int) -> int:
    """Where a closing begins that stands apart below the last line that is no writing; else the end."""
    last = max(number for number in range(place, len(written)) if _is_contact(lines[written[number]]))
    return last + 1 if last + 1 < len(written) and written[last + 1] > written[last] + 1 else len(written)


def _begin_block(lines: list[str], written: list[int], known: list[bool]) -> list[int]:
    """The shared lines that go from the beginning: those that are plainly no writing, up to the first other one."""
    goes = [shared and _is_contact(lines[index]) for index, shared in zip(written, known, strict=True)]
    return written[: goes.index(False)] if False in goes else written


def _is_contact(line: str) -> bool:
    """Whether a line is plainly no writing of the author's, given that many messages end or begin with it."""
    return len(line) > _LONG_PARAGRAPH_CHARACTERS or _has_mark(line)


def _has_mark(line: str) -> bool:
    """Whether a line, shared or not, bears an address, a number, a title, a rule or the words of a notice."""
    if len(line) > _LONG_PARAGRAPH_CHARACTERS:
        return False
    if _CONTACT.search(line) or _LEGAL.search(line):
        return True
    return len(line.split()) <= 2 * _MAX_PLAIN_WORDS and bool(_POSITION.search(line))


def _is_plain(line: str) -> bool:
    """Whether a line may be a closing or a name."""
    return len(line.split()) <= _MAX_PLAIN_WORDS and not _is_contact(line)


def _without(lines: list[str], gone: set[int]) -> list[str]:
    """Lines without those numbered in `gone`, and without the blank ones right below these."""
    kept: list[str] = []
    below = False
    for index, line in enumerate(lines):
        below = index in gone or (below and not line.strip())
        if not below:
            kept.append(line)
    return kept


def _without_rules(lines: list[str]) -> str:
    """Lines as a text, without rules left at its ends."""
    while lines and (not lines[-1].strip() or _RULE.match(lines[-1].strip())):
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    return "\n".join(lines)
