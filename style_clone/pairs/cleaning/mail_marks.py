"""How mail programs mark the words of others: attributions, header blocks, "Original Message", "Forwarded by".

Each question is about one place in the lines of a mail and looks a few lines ahead or back, so a scan is linear. Accents
may have been lost on the way ("a ?crit"), so the patterns allow any one or two characters in their place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Lines = Sequence[str]

_MAX_ATTRIBUTION_LINES = 3
_MAX_ATTRIBUTION_CHARACTERS = 300
_MAX_NAME_WORDS = 6
_MAX_HEADER_LINES = 200
_MAX_MARK_CHARACTERS = 200
_WRAPPED_COLUMNS = 55

_VERBS = (
    r"wrote|writes|said|schrieb|schreibt|a \S{1,2}crit|escribi\S{1,2}|ha scritto|escreveu|schreef|skrev|kirjoitti|"
    r"a scris|napsala?|napisa\S{1,5}|pisze|yazd\S{1,2}|\S{1,2}rta|(?:на)?писала?(?:\(а\))?|пишет|пише|έγραψε|写道|寫道"
)
_SAID = re.compile(
    rf"(?:^|[\s>,\"')])(?:(?:{_VERBS})(?:\s[^:]{{1,120}}|\s?\([^()]{{1,60}}\))?\s*[:：]|wrote(?:\s?-{{2,}})?)\s*$"
)
_ENDS = (":", "：", "wrote", "--")
_CITING = re.compile(
    r"\W{0,3}(?:Quoting|Citando|Zitat von|Selon)\s.{2,120}:\s*$|.*\d[:.]\d\d.*<[^<>\s]+@[^<>\s]+>:\s*$|"
    r".{2,80}<.*>\s*\[.*\d[:.]\d\d.*\]:\s*$"
)
_OPENER = re.compile(
    r"\W{0,4}(?:On|Am|Le|El|Il|Em|Op|Den|Dne|At|In|W dniu|Dnia|[A-Za-z]{2,3}\.|\d{1,4}[./-]|\d{1,2} \w+)[ ,\d]"
)
_ADDRESS = re.compile(r"<[^<>\s]*(?:@|email|mailto)[^>]*>|\S@\S|\[mailto:")
_CLOCK = re.compile(r"\d\s?[:.h]\s?\d\d")
_DATE = re.compile(
    r"\b\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}|\b(?:19|20)\d\d\b|\b\d{1,2}\.? [^\W\d]{3,}|[^\W\d]{3,}\.? \d"
)
_NAMED = re.compile(rf"\W{{0,3}}(?:[^\W\da-z]\S*\s+){{1,4}}(?:{_VERBS})\s?:\s*$")

_HEADERS = {
    "from": "From|Von|De|Da|Van|Fra|Fr\\S{1,2}n|Od|Gönderen|Lähettäjä|От|差出人|发件人|寄件者",
    "date": "Sent|Date|Gesendet|Datum|Envoy\\S{1,2}(?: le)?|Enviado(?: el| em)?|Enviat el|Fecha|Data|Message du|"
    "Inviato|Verzonden|Sendt|Dato|Skickat|Wysłano|Lähetetty|Отправлено|Дата|送信日時|发送时间",
    "to": "To|An|[À?]|A|Para|Per a|Aan|Til|Till|Do|Vastaanottaja|Кому|宛先|收件人",
    "cc": "Cc|Bcc|Kopie|Copie(?: \\S{1,2})?|Копия|抄送",
    "subject": "Subject|Betreff|Objet|Sujet|Asunto|Assunto|Oggetto|Onderwerp|Emne|\\S{1,2}mne|Temat?|Aihe|Тема|件名|主题",
}
_HEADER = re.compile(
    r"[^\w>]{0,6}(?:" + "|".join(f"(?P<{kind}>{words})" for kind, words in _HEADERS.items()) + r")\*?\s?[:：](?!//)",
    re.IGNORECASE,
)
_OTHER_HEADER = re.compile(
    r"\W{0,6}(?:Reply-To|Importance|Attachments?|Sensitivity|Priority|Organi[sz]ation|Message-ID):"
)
_LISTED = re.compile(r"\s|.*[@;/<]|.*,\s*$")
_NAME_OR_LIST = ("to", "cc", "from")

_STAMP = r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4},?\s+\d{1,2}:\d\d(?::\d\d)?(?:\s*[AP]M)?(?:\s+[A-Z]{2,4})?\s*$"
_STAMPED = re.compile(r"\s*" + _STAMP)
_STAMPED_BY = re.compile(r".{2,120}\son\s+" + _STAMP)
_SENT_BY = re.compile(r"\s*Sent by:")
_RULE = re.compile(r"\s*[-_=*]{4,}\s*$")
_RULED = re.compile(r"\s*-{3,}[^-]{3,40}-{3,}\s*$")

_FORWARD = re.compile(
    r"\W*(?:-{3,}|={3,}|_{3,})[>\s]*(?:Forwarded|Weitergeleitet|Message transf|Message r\S{1,2}exp|Mensaje reenviado|"
    r"Reenviado por|Mensagem encaminhada|Encaminhado por|Messaggio inoltrato|Inoltrato da|Doorgestuurd|Videresendt|"
    r"Vidarebefordra|Välitetty|Wiadomość przesłana|Iletilen|Пересылаемое|Пересланное|转发|転送)"
    r"|\s*(?:Begin forwarded message|Anfang der weitergeleiteten (?:Nachricht|E-?Mail)|D\S{1,2}but du message \w{5,12}|"
    r"Inicio del mensaje reenviado|Inizio messaggio inoltrato|In\S{1,2}cio da mensagem encaminhada|"
    r"Begin doorgestuurd bericht)\s?:",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"\W*-{2,}\s?(?:Original[- ](?:Message|Nachricht|Appointment|meddelelse)|Urspr\S{1,2}ngliche Nachricht|"
    r"Message (?:d.origine|original)|Mensaje original|Messaggio originale|Mensagem original|Oorspronkelijk bericht|"
    r"Oprindelig meddelelse|Opprinnelig melding|Ursprungligt meddelande|Alkuperäinen viesti|Reply message|"
    r"Исходное сообщение|Wiadomość oryginalna|Původní zpráva|Orijinal Mesaj|原始邮件|元のメッセージ)\s?-{2,}",
    re.IGNORECASE,
)
_END_OF_FORWARD = re.compile(r"\W*-{2,}\s*End (?:of )?(?:forwarded|original|included) ", re.IGNORECASE)


def attribution_at(lines: Lines, index: int) -> int:
    """How many lines from `index` on say who wrote what follows ("On Tue, 5 Mar 2001, Ann wrote:"); 0 for none."""
    if not any(line.rstrip().endswith(_ENDS) for line in lines[index : index + _MAX_ATTRIBUTION_LINES]):
        return 0
    joined = ""
    for number in range(index, min(index + _MAX_ATTRIBUTION_LINES, len(lines))):
        line = lines[number].strip()
        joined = f"{joined} {line}" if joined else line
        if not line or len(joined) > _MAX_ATTRIBUTION_CHARACTERS:
            return 0
        said = bool(_SAID.search(joined) or _CITING.match(joined)) and not _is_closed_below(lines, number)
        if said and (number == index or is_dated(joined)):
            return number - index + 1
        if number == index and not (_OPENER.match(joined) or _ADDRESS.search(joined) or _CLOCK.search(joined)):
            return 0
    return 0


def _is_closed_below(lines: Lines, number: int) -> bool:
    """Whether an attribution without a colon goes on to one in the next line."""
    below = lines[number + 1].strip() if number + 1 < len(lines) else ""
    return (
        not lines[number].rstrip().endswith((":", "："))
        and below.endswith((":", "："))
        and len(below) < _WRAPPED_COLUMNS
    )


def is_dated(attribution: str) -> bool:
    """Whether an attribution bears an address, or a date and a time: nobody types that into a sentence of their own."""
    if not attribution.rstrip().endswith((":", "：")) and not _ADDRESS.search(attribution):
        return False
    if _ADDRESS.search(attribution):
        return bool(
            _DATE.search(attribution) or _OPENER.match(attribution) or len(attribution.split()) <= _MAX_NAME_WORDS
        )
    return bool(_OPENER.match(attribution) and _DATE.search(attribution) and _CLOCK.search(attribution))


def is_named(attribution: str, *, first: bool) -> bool:
    """Whether an attribution is nothing but a verb ("wrote:"), or, as a text's first line, a name and a verb."""
    return " " not in attribution.strip() or (first and bool(_NAMED.match(attribution)))


def header_block_end(lines: Lines, index: int) -> int | None:
    """The line after a block of mail headers that begins at `index` ("From: ... Subject: ..."), or None for none.

    Two headers of different kinds at least, one of them a subject or with a mail address: "From: Rome To: Paris" is none.
    Lines of a long list of recipients and single blank lines between headers belong to it.
    """
    kinds: set[str] = set()
    addressed = False
    end, last = index, ""
    for number in range(index, min(index + _MAX_HEADER_LINES, len(lines))):
        line = lines[number]
        match = _HEADER.match(line) if ":" in line or "：" in line else None
        if match and match.lastgroup in kinds:
            break
        if match:
            last = match.lastgroup or ""
            kinds.add(last)
        elif line.strip() and not (_OTHER_HEADER.match(line) or _goes_on(lines, number, last)):
            break
        elif not line.strip():
            if number > index and not lines[number - 1].strip():
                break
            continue
        addressed = addressed or bool(_ADDRESS.search(line))
        end = number + 1
    known = len(kinds) > 1 and ("subject" in kinds or addressed)
    return end if known else None


def _goes_on(lines: Lines, number: int, last: str) -> bool:
    """Whether a line goes on with the header above it: a list of people, or a subject wrapped over two lines."""
    above = lines[number - 1]
    if last in _NAME_OR_LIST and above.strip():
        wrapped = number + 1 < len(lines) and _HEADER.match(lines[number + 1]) is not None
        return wrapped or _LISTED.match(lines[number]) is not None
    wrapped = last == "subject" and len(above) > _WRAPPED_COLUMNS and bool(_HEADER.match(above))
    return wrapped and (number + 1 == len(lines) or not lines[number + 1].strip())


def starts_header(line: str) -> bool:
    """Whether a line may begin a block of headers; a cheap first look."""
    return _HEADER.match(line) is not None


def is_stamp(line: str) -> bool:
    """Whether a line is only a date and a time, as Lotus Notes writes one under the sender's name."""
    return _STAMPED.match(line) is not None


def block_start(lines: Lines, index: int) -> int:
    """Where what belongs to the header block at `index` begins: a rule above it, or the sender and time of Lotus Notes."""
    above = _skip_blank_up(lines, index - 1)
    if above < 0:
        return index
    if is_stamp(lines[above]):
        return _sender_start(lines, above)
    if _STAMPED_BY.match(lines[above]) or _RULE.match(lines[above]) or _RULED.match(lines[above]):
        return above
    return index


def _sender_start(lines: Lines, stamp: int) -> int:
    """The first of at most three lines right above a stamp that name the sender."""
    start = stamp
    while start > 0 and stamp - start < 3 and _may_name(lines[start - 1]):
        start -= 1
    return start


def _may_name(line: str) -> bool:
    words = line.split()
    plain = 0 < len(words) <= _MAX_NAME_WORDS and line.rstrip()[-1] not in ".,:;!?"
    return bool(_SENT_BY.match(line)) or (plain and (not words[-1].islower() or bool(_ADDRESS.search(line))))


def _skip_blank_up(lines: Lines, index: int) -> int:
    """The nearest line at or above `index` with something on it, over at most two blank ones."""
    lowest = index - 2
    while index > lowest and index >= 0 and not lines[index].strip():
        index -= 1
    return index


def is_forward(line: str) -> bool:
    """Whether a line says that a forwarded message follows."""
    return _FORWARD.match(line[:_MAX_MARK_CHARACTERS]) is not None


def is_original(line: str) -> bool:
    """Whether a line says that the message answered follows: "-----Original Message-----"."""
    return _ORIGINAL.match(line[:_MAX_MARK_CHARACTERS]) is not None


def is_end_of_forward(line: str) -> bool:
    """Whether a line says that the forwarded message ends here."""
    return _END_OF_FORWARD.match(line[:_MAX_MARK_CHARACTERS]) is not None


def body_after_mark(lines: Lines, index: int) -> int:
    """Where the words of others begin below the mark at `index`: after the mark's second line and the headers, if any."""
    start = index + 1
    if start < len(lines) and not lines[index].rstrip().endswith("--") and lines[start].rstrip().endswith("---"):
        start += 1
    for number in range(start, min(start + 8, len(lines))):
        if starts_header(lines[number]):
            return header_block_end(lines, number) or start
    return start
