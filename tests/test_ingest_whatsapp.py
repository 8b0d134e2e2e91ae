from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import Message
from style_clone.errors import IngestError
from style_clone.ingest.formats.whatsapp import WhatsApp
from style_clone.ingest.importer import Tally
from style_clone.ingest.source import from_file

LRM, RLM, NARROW, NBSP = "\u200e", "\u200f", "\u202f", "\u00a0"


def read(folder: Path, lines: Sequence[str], name: str = "chat.txt", tally: Tally | None = None) -> list[Message]:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return list(WhatsApp().extract(from_file(path), tally or Tally()))


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("12/03/2025, 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("[12/03/2025, 18:42:10] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("[12.03.25, 18:42:10] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("12.03.25, 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("12-03-2025 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("2025-03-12 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("2025/03/12 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("[2025/3/12 下午6:42:10] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("2025. 3. 12. 오후 6:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("2025. 03. 12. 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("12. 3. 2025 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("[12.3.2025 klo 18.42.10] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("12/03/2025 à 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        ("12.03.25 г., 18:42 - ", datetime(2025, 3, 12, 18, 42)),
        (f"12/03/25, 6:42{NARROW}PM - ", datetime(2025, 3, 12, 18, 42)),
        (f"12/03/25, 6:42{NBSP}p.{NBSP}m. - ", datetime(2025, 3, 12, 18, 42)),
        ("12/03/25 6:42 p. m. - ", datetime(2025, 3, 12, 18, 42)),
        ("12/03/25, 12:05 am - ", datetime(2025, 3, 12, 0, 5)),
        ("12/03/25, 12:05 pm - ", datetime(2025, 3, 12, 12, 5)),
        ("[18:42:10, 12/03/25] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("18:42, 12/03/2025 - ", datetime(2025, 3, 12, 18, 42)),
        (f"{RLM}[{RLM}12{RLM}/3{RLM}/2025، 18:42:10] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("١٢/٣/٢٠٢٥، ٦:٤٢ م - ", datetime(2025, 3, 12, 18, 42)),
        ("[12/3/R7, 18:42:10] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("[12/3/2568 BE, 18:42:10] ", datetime(2025, 3, 12, 18, 42, 10)),
        ("12/3/2568 18:42 - ", datetime(2025, 3, 12, 18, 42)),
    ],
)
def test_every_stamp(tmp_path: Path, stamp: str, expected: datetime) -> None:
    (message,) = read(tmp_path, [f"{stamp}Ann Lee: at 5: see you"])
    assert (message.date, message.author, message.text, message.kind) == (
        expected,
        "Ann Lee",
        "at 5: see you",
        "message",
    )


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (["01/02/2025", "13/02/2025"], datetime(2025, 2, 1, 9)),
        (["01/02/2025", "01/13/2025"], datetime(2025, 1, 2, 9)),
        (["11/01/2025", "12/01/2025", "01/02/2026", "02/02/2026"], datetime(2025, 1, 11, 9)),
        (["01/11/2025", "02/01/2025", "02/09/2025", "03/02/2025"], datetime(2025, 1, 11, 9)),
        (["01/02/2025"], datetime(2025, 2, 1, 9)),
        (["25/03/10", "25/03/11", "25/03/12"], datetime(2025, 3, 10, 9)),
    ],
    ids=["day above 12", "month second", "monotonic day first", "monotonic month first", "tie", "two-digit year first"],
)
def test_order_of_day_and_month_comes_from_the_whole_file(tmp_path: Path, dates: list[str], first: datetime) -> None:
    messages = read(tmp_path, [f"{date}, 09:00 - Ann: hi" for date in dates])
    assert messages[0].date == first
    assert [message.date for message in messages] == sorted(message.date for message in messages if message.date)


@pytest.mark.parametrize(
    "line",
    [
        "<Media omitted>", "<Medien ausgeschlossen>", "<Archivo omitido>", "<Multimedia omitido>", "<Mídia oculta>",
        "<Médias omis>", "<Media omessi>", "<Media weggelaten>", "<Без медиафайлов>", "<Média vynechány>",
        "<Medya dahil edilmedi>", "<メディアは省略されました>", "<미디어 파일 생략됨>", "image omitted", "video omitted",
        "Bild weggelassen", "imagen omitida", "IMG-20250312-WA0001.jpg (file attached)",
        f"{LRM}PTT-20250312-WA0002.opus (Datei angehängt)", "Recept v2.pdf (archivo adjunto)", "VID-20250312-WA0003.mp4 (?)",
        "<attached: 00000012-PHOTO-2025-03-12-18-42-10.jpg>", f"{LRM}<anexado: 00000012-PHOTO-2025.jpg>", "null",
        "location: https://maps.google.com/?q=1,2", f"{LRM}Standort: https://maps.google.com/?q=1,2",
        f"notes.pdf • {LRM}2 pages {LRM}document omitted",
    ],
)  # fmt: skip
def test_media_placeholders(tmp_path: Path, line: str) -> None:
    (message,) = read(tmp_path, [f"12/03/2025, 18:42 - Ann: {line}"])
    assert (message.kind, message.author) == ("media", "Ann")


@pytest.mark.parametrize(
    "line",
    [
        "Messages and calls are end-to-end encrypted. Tap to learn more.",
        "Ann created group \"Ships: the second\"",
        "Ann added Bob",
        "Ann left",
        "Ann changed the subject from \"a: b\" to \"c: d\"",
        "Bob: This message was deleted",
        "Bob: You deleted this message",
        "Bob: Diese Nachricht wurde gelöscht.",
        "Bob: Eliminaste este mensaje.",
        "Bob: Данное сообщение удалено",
        "Bob: Missed voice call",
        f"Bob: {LRM}Voice call, {LRM}No answer",
        f"Bob: {LRM}{LRM}Your security code with Bob changed. {LRM}Tap to learn more.",
        f"Crew: {LRM}Messages and calls are end-to-end encrypted.",
        "Crew: Messages and calls are end-to-end encrypted. No one outside of this chat can read them.",
    ],
)  # fmt: skip
def test_lines_of_the_software_have_no_author(tmp_path: Path, line: str) -> None:
    messages = read(
        tmp_path, [f"12/03/2025, 18:42 - {line}", "12/03/2025, 18:43 - Ann: hi", "12/03/2025, 18:43 - Bob: x"]
    )
    assert (messages[0].kind, messages[0].author, messages[0].recipient) == ("system", "", None)
    assert [message.author for message in messages[1:]] == ["Ann", "Bob"]


@pytest.mark.parametrize("text", ["<3", "<sigh>", "I omitted the image", "the call was missed", "a (file attached) b"])
def test_words_that_only_look_like_placeholders_stay(tmp_path: Path, text: str) -> None:
    (message,) = read(tmp_path, [f"12/03/2025, 18:42 - Ann: {text}"])
    assert (message.kind, message.text) == ("message", text)


@pytest.mark.parametrize(
    "suffix",
    [" <This message was edited>", f" {LRM}<This message was edited>", f"{LRM}<Изменено>", " <Mensagem editada>"],
)
def test_the_edited_mark_is_no_words(tmp_path: Path, suffix: str) -> None:
    (message,) = read(tmp_path, ["12/03/2025, 18:42 - Ann: one", f"two{suffix}"])
    assert message.text == "one\ntwo"


def test_captions_are_words(tmp_path: Path) -> None:
    messages = read(
        tmp_path,
        [
            "12/03/2025, 18:42 - Ann: <Media omitted>",
            "look at him",
            "12/03/2025, 18:43 - Ann: <Media omitted>",
            "Report final.docx",
            f"12/03/2025, 18:44 - Ann: and here {LRM}image omitted",
        ],
    )
    assert [(message.kind, message.text) for message in messages] == [
        ("message", "look at him"),
        ("media", "<Media omitted>"),
        ("message", "and here"),
    ]


def test_lines_below_a_stamp_belong_to_it(tmp_path: Path) -> None:
    tally = Tally()
    lines = ["12/03/2025, 18:42 - Ann: one", "", "  two", "3: three", "12/03/2025, 18:43 - Bob: x"]
    messages = read(tmp_path, lines, tally=tally)
    assert messages[0].text == "one\n\n  two\n3: three"
    assert tally.unparsed == 0


def test_a_chat_pasted_into_a_message_is_its_words(tmp_path: Path) -> None:
    tally = Tally()
    pasted = ["[18:40, 12/03/2025] Carl: never said here", "[18:41, 12/03/2025] Dora: me neither"]
    lines = ["12/03/2025, 18:42 - Ann: see", *pasted, *(f"12/03/2025, 18:4{n} - Bob: ok {n}" for n in range(3, 7))]
    messages = read(tmp_path, lines, tally=tally)
    assert {message.author for message in messages} == {"Ann", "Bob"}
    assert messages[0].text.count("Carl") == 1
    assert (tally.unparsed, tally.first_unparsed) == (0, None)


def test_lines_above_the_first_stamp_are_counted(tmp_path: Path) -> None:
    tally = Tally()
    messages = read(
        tmp_path, ["exported by hand", "12/03/2025, 18:42 - Ann: hi", "40/40/2025, 18:42 - Bob: x"], tally=tally
    )
    assert [message.author for message in messages] == ["Ann"]
    assert (tally.unparsed, tally.first_unparsed) == (2, 1)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ann 🌸👩‍💻", "Ann 🌸👩‍💻"),
        ("Re:Union", "Re:Union"),
        (f"~{NARROW}Ann", "Ann"),
        (f"\u202a+44{NBSP}7700{NBSP}900123\u202c", "+44 7700 900123"),
        ("Zoe\u0308", "Zoë"),
        ("Ann\x1b[31m", "Ann[31m"),
    ],
)
def test_names(tmp_path: Path, written: str, kept: str) -> None:
    (message,) = read(tmp_path, [f"12/03/2025, 18:42 - {written}: hi"])
    assert (message.author, message.text) == (kept, "hi")


def test_a_name_with_a_colon_and_a_space_is_learnt_from_the_file(tmp_path: Path) -> None:
    lines = [f"12/03/2025, 18:4{n} - Ann: Work: mail {n}" for n in range(6)]
    messages = read(tmp_path, [*lines, "12/03/2025, 18:49 - Bob: Note: one colon"])
    assert {message.author for message in messages} == {"Ann: Work", "Bob"}
    assert messages[0].text == "mail 0"
    assert messages[-1].text == "Note: one colon"


def test_recipient_only_where_two_people_write(tmp_path: Path) -> None:
    two = ["12/03/2025, 18:42 - Ann: hi", "12/03/2025, 18:43 - Bob: hi"]
    assert [message.recipient for message in read(tmp_path, two)] == ["Bob", "Ann"]
    three = [*two, "12/03/2025, 18:44 - Cy: hi"]
    assert {message.recipient for message in read(tmp_path, three)} == {None}


@pytest.mark.parametrize(
    ("name", "thread"),
    [
        ("WhatsApp Chat with Ann Lee.txt", "Ann Lee"),
        ("WhatsApp Chat with Ann Lee (1).txt", "Ann Lee"),
        ("WhatsApp Chat - Ann Lee.txt", "Ann Lee"),
        ("WhatsApp-Chat mit Ann Lee.txt", "Ann Lee"),
        ("Chat de WhatsApp con Ann Lee.txt", "Ann Lee"),
        ("Conversa do WhatsApp com Ann Lee.txt", "Ann Lee"),
        ("Discussion WhatsApp avec Ann Lee.txt", "Ann Lee"),
        ("Чат WhatsApp с контактом Ann Lee.txt", "Ann Lee"),
        (f"Chat WhatsApp s{NBSP}uživatelem Ann Lee.txt", "Ann Lee"),
        ("holiday.txt", "holiday"),
    ],
)
def test_thread_is_the_chats_name(tmp_path: Path, name: str, thread: str) -> None:
    (message,) = read(tmp_path, ["12/03/2025, 18:42 - Ann: hi"], name)
    assert message.thread == thread


def test_ids_of_what_was_there_survive_an_append(tmp_path: Path) -> None:
    lines = ["01/02/2025, 09:00 - Ann: Work: hi", "01/02/2025, 09:00 - Bob: ok", "01/02/2025, 09:00 - Bob: ok"]
    before = [message.id for message in read(tmp_path, lines)]
    later = [f"02/20/2025, 09:0{n} - Ann: Work: more" for n in range(8)]
    after = read(tmp_path, [*lines, *later])
    assert [message.id for message in after][:3] == before
    assert len({message.id for message in after}) == len(after)
    assert after[0].author == "Ann: Work"
    assert after[0].date == datetime(2025, 1, 2, 9)


def test_another_calendar_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="calendar"):
        read(tmp_path, ["1403/12/22, 18:42 - Ann: hi"])


def test_no_stamp_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="begins with a date and a time"):
        read(tmp_path, ["just words", "and more"])


WORDS = (
    st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=40)
    .filter(lambda text: text.strip() == text and text[-1] not in ">):")
    .map("so {}".format)  # hypothesis tries the phrases of the source too, which alone stand for media
)


@given(st.lists(st.tuples(st.sampled_from(["Ann", "Bob 🌻"]), WORDS), min_size=1, max_size=20))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str]]) -> None:
    lines = [f"{1 + n:02}/03/2025, 18:42 - {author}: {text}" for n, (author, text) in enumerate(said)]
    messages = read(tmp_path_factory.mktemp("chat"), lines)
    assert [(message.author, message.text) for message in messages] == said
    assert {message.kind for message in messages} == {"message"}
