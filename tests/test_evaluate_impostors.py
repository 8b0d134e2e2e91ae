"""Impostors: who is taken, who never is, that they are made like the author's pairs, and that they are made once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from style_clone.conversation import SPLITS, Message, read_pairs, write_lines
from style_clone.errors import MissingStage, UsageError
from style_clone.evaluate import impostor_search, impostors
from style_clone.evaluate.impostor_search import is_software, person_key, spread
from style_clone.evaluate.impostors import LEAST_IMPOSTORS, Impostor, find, split_for_test
from style_clone.ingest.run import ingest
from style_clone.pairs.redact import Policy
from style_clone.pairs.run import build
from style_clone.pairs.summary import MIN_PAIRS
from style_clone.persona import Persona
from style_clone.progress import WARNING, Event
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import MORNING, chat, many_chats, message, persona

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
PARTNERS = {"Dev Marlowe", "Finlay Baird", "Tam Quayle", "Yusuf Haddad", "Priya Raman", "Mum"}
OTHERS = {
    "Callum Reece",
    "Gwen Pritchard",
    "Graham Oakeshott",
    "Des Tranter",
    "Fliss Oakeshott",
    "Siobhan Devlin",
    "Inês Fonseca",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> PersonaFolder:
    """Nell's persona with her impostors, made once and never changed."""
    folder = Workspace(tmp_path_factory.mktemp("nell")).folder("nell")
    ingest(folder, [CORPUS / "nell"], ["Nell Quayle"])
    build(folder)
    find(folder)
    return folder


@pytest.fixture
def nell(made: PersonaFolder, workspace: Workspace) -> PersonaFolder:
    """A copy of it."""
    shutil.copytree(made.root, workspace.folder("nell").root)
    return workspace.folder("nell")


@pytest.fixture
def no_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation without a clone of the project."""
    monkeypatch.setattr(impostors, "SAMPLES", tmp_path / "nowhere")


def with_pairs(workspace: Workspace, messages: list[Message], *aliases: str) -> PersonaFolder:
    folder = persona(workspace, messages, *aliases)
    build(folder)
    return folder


def talks(author: str, days: int = 24, other: str = "Ann") -> list[Message]:
    """A chat in which the author answers the other, with words of their own; about an hour, day after day."""
    made = []
    for day in range(days):
        word = f"{author}{day}".casefold().replace(" ", "")
        lines = (f"{other}: and what of thing{word}", f"{author}: no idea{word} about alpha{word} or beta{word} really")
        made += chat(*lines, start=MORNING + timedelta(days=day), thread=f"with {author}")
    return made


def nobody_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*args: Any, **more: Any) -> None:
        raise AssertionError("pairs were made again")

    monkeypatch.setattr(impostor_search, "build", build)


def counted_builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each build from now on has before it."""
    sizes: list[int] = []

    def counting(folder: PersonaFolder, **more: Any) -> Any:
        sizes.append(folder.messages.read_bytes().count(b"\n"))
        return build(folder, **more)

    monkeypatch.setattr(impostor_search, "build", counting)
    return sizes


def names(found: list[Impostor]) -> set[str]:
    return {impostor.name for impostor in found}


def people_in(path: Path, *people: str) -> Path:
    """An export in which each of `people` answers Ann."""
    with path.open("w", encoding="utf-8") as file:
        for each in [each for name in people for each in talks(name)]:
            row = each.to_json()
            write_lines(file, [{**{key: row[key] for key in ("author", "text", "date")}, "thread_id": each.thread}])
    return path


def test_chat_partners_come_first_and_the_sample_corpora_fill_up(nell: PersonaFolder) -> None:
    found = find(nell)
    assert len(found) == LEAST_IMPOSTORS
    assert names(found[:6]) == PARTNERS
    assert names(found[6:]) < OTHERS
    assert [impostor.name for impostor in found[:3]] == ["Dev Marlowe", "Finlay Baird", "Tam Quayle"]
    for impostor in found:
        assert 70 <= len(impostor.pairs) <= impostor_search.MOST_PAIRS
        dates = [pair.date for pair in impostor.pairs]
        assert None not in dates
        assert dates == sorted(map(str, dates))
        said = {pair.reply for pair in impostor.pairs}
        assert len(said) > 0.9 * len(impostor.pairs)


def test_an_impostor_s_pairs_are_what_a_persona_of_theirs_would_have(nell: PersonaFolder, tmp_path: Path) -> None:
    mum = next(impostor for impostor in find(nell) if impostor.name == "Mum")
    folder = Workspace(tmp_path / "elsewhere").folder("mum")
    ingest(folder, [CORPUS / "nell"], ["Mum"])
    build(folder)
    own = {pair.reply for split in SPLITS for pair in read_pairs(folder.split(split)) if pair.origin == "reply"}
    assert {pair.reply for pair in mum.pairs if pair.origin == "reply"} == own


def test_the_author_is_never_an_impostor_under_any_alias(nell: PersonaFolder, workspace: Workspace) -> None:
    assert "Nell Quayle" not in names(find(nell))
    everybody = ("Nell", "Nelly B", "NELL_", "Bob")
    folder = Workspace(workspace.home / "second")
    both = with_pairs(folder, [each for name in everybody for each in talks(name)], "Nell", "Nelly B")
    assert names(find(both)) & {"Nell", "Nelly B", "NELL_"} == set()
    assert "Bob" in names(find(both))


def test_all_seven_of_the_sample_corpus_are_usable_and_a_page_says_how_many_pairs_each_has(
    workspace: Workspace,
) -> None:
    folder = workspace.folder("graham")
    ingest(folder, [CORPUS / "others"], ["Graham Oakeshott"])
    summary = build(folder)
    page = (CORPUS / "README.md").read_text(encoding="utf-8")
    said = {name: int(pairs) for name, pairs in re.findall(r"^\| (\w+ \w+) \| \d+ \| (\d+) \|", page, re.MULTILINE)}
    found = find(folder)
    assert names(found[:6]) == OTHERS - {"Graham Oakeshott"}
    assert "Nell Quayle" in names(found[6:])
    assert said == {impostor.name: len(impostor.pairs) for impostor in found[:6]} | {"Graham Oakeshott": summary.pairs}
    for impostor in found[:6]:
        assert sum(pair.origin == "reply" for pair in impostor.pairs) >= 60


def test_what_was_found_is_kept(nell: PersonaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_builds(monkeypatch)
    again = find(nell)
    assert names(again[:6]) == PARTNERS
    assert not [path for path in nell.root.iterdir() if path.name.startswith(".impostors")]


def new_message(folder: PersonaFolder) -> None:
    with folder.messages.open("a", encoding="utf-8") as file:
        write_lines(file, [message("Mum", "one more thing before I go to bed").to_json()])


def new_wish(folder: PersonaFolder) -> None:
    Policy(words=("goose",)).save(folder)


def new_name(folder: PersonaFolder) -> None:
    Persona(slug="nell", author="Nell Quayle", aliases=("Nell Quayle", "Tam Quayle")).save(folder)


def damage(folder: PersonaFolder) -> None:
    (folder.impostors / "03.jsonl").write_text("{half a li")


def loss(folder: PersonaFolder) -> None:
    (folder.impostors / "03.jsonl").unlink()


@pytest.mark.parametrize("change", [new_message, new_wish, new_name, damage, loss])
def test_what_is_out_of_date_or_damaged_is_made_again(
    nell: PersonaFolder, monkeypatch: pytest.MonkeyPatch, change: Callable[[PersonaFolder], None]
) -> None:
    change(nell)
    built = counted_builds(monkeypatch)
    found = find(nell)
    assert len(built) >= LEAST_IMPOSTORS - 1
    assert ("Tam Quayle" in names(found)) is (change is not new_name)
    assert any("<word>" in pair.reply for each in found for pair in each.pairs) is (change is new_wish)
    nobody_builds(monkeypatch)
    assert find(nell) == found


def test_the_author_s_wishes_and_masks_hold_for_impostors(workspace: Workspace) -> None:
    number = "07700 900123"
    calls = [
        each if each.author == "Nell" else replace(each, text=f"{each.text} or call Nell on {number} or a@example.org")
        for each in talks("Ann", other="Nell")
    ]
    folder = persona(workspace, [*calls, *talks("Nell")])
    Policy(off=("email",)).save(folder)
    build(folder)
    ann = next(impostor for impostor in find(folder) if impostor.name == "Ann")
    replies = [pair.reply for pair in ann.pairs]
    everything = "".join(path.read_text(encoding="utf-8") for path in folder.impostors.iterdir())
    assert any("<phone>" in reply and "<person" in reply and "a@example.org" in reply for reply in replies)
    assert number not in everything


def test_exports_the_user_gives_are_read_too(nell: PersonaFolder, tmp_path: Path) -> None:
    chats = people_in(tmp_path / "work.jsonl", "Bob", "Cleo", "Nell Quayle", "Mum")
    letter = tmp_path / "Uncle Ted.txt"
    letter.write_text("\n\n".join(f"My letter {n} tells of {n} walks, {n} meals, and the sea." * 9 for n in range(30)))
    found = find(nell, [chats, letter])
    assert names(found) == PARTNERS | {"Bob", "Cleo"}, "the letter repeats itself, and so does Ann"
    assert [impostor.name for impostor in found].count("Mum") == 1
    mum = next(impostor for impostor in found if impostor.name == "Mum")
    assert not any("alpha" in pair.reply for pair in mum.pairs), "Mum of the chat at work is somebody else"


def test_documents_without_a_name_are_by_somebody_called_like_the_file(nell: PersonaFolder, tmp_path: Path) -> None:
    shutil.copytree(CORPUS / "nell" / "posts", tmp_path / "Her blog")
    search = impostor_search.Search(nell, tmp_path, lambda event: None)
    messages = search.ingested(tmp_path / "Her blog").read_text(encoding="utf-8")
    assert set(re.findall(r'"author": "([^"]*)"', messages)) == {"Her blog"}


def test_an_export_that_changed_is_read_again(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_samples: None
) -> None:
    folder = with_pairs(workspace, talks("Nell"))
    export = people_in(tmp_path / "work.jsonl", "Bob")
    assert names(find(folder, [export])) == {"Bob"}
    with monkeypatch.context() as patched:
        nobody_builds(patched)
        assert names(find(folder, [export])) == {"Bob"}
    people_in(export, "Bert")
    assert names(find(folder, [export])) == {"Bert"}
    with pytest.raises(UsageError, match="no file or folder"):
        find(folder, [tmp_path / "gone"])


def test_exports_of_last_time_are_taken_until_others_are_given(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_samples: None
) -> None:
    folder = with_pairs(workspace, talks("Nell"))
    work, club = people_in(tmp_path / "work.jsonl", "Bob"), people_in(tmp_path / "club.jsonl", "Cleo")
    assert names(find(folder, [work, club])) == {"Bob", "Cleo"}
    club.unlink()
    with monkeypatch.context() as patched:
        nobody_builds(patched)
        assert names(find(folder)) == {"Bob", "Cleo"}, "what was found in it is still there"
    new_wish(folder)
    heard: list[Event] = []
    assert names(find(folder, report=heard.append)) == {"Bob"}
    assert [event.text for event in heard if f"{club}, whose people were impostors last time, is gone" in event.text]
    with monkeypatch.context() as patched:
        nobody_builds(patched)
        assert names(find(folder)) == {"Bob"}
    assert names(find(folder, [people_in(tmp_path / "pub.jsonl", "Bert")])) == {"Bert"}


def test_documents_are_not_measured_against_chats(workspace: Workspace) -> None:
    texts = [
        f"On day{n}x I walked to place{n}y with friend{n}z. We saw tree{n}a and bird{n}b there." for n in range(40)
    ]
    posts = [message("Nell", text, thread=f"d{n}", title=f"Day {n}", kind="document") for n, text in enumerate(texts)]
    heard: list[Event] = []
    assert find(with_pairs(workspace, posts), report=heard.append) == []
    (warning,) = [event.text for event in heard if event.text.startswith(WARNING)]
    assert "are chats" in warning
    heard.clear()
    find(workspace.folder("nell"), report=heard.append)
    assert warning in [event.text for event in heard], "what was kept says so too"


def test_another_language_is_not_measured_against_english(workspace: Workspace) -> None:
    lines = [line for n in range(60) for line in (f"Ann: was machst du denn heute{n}a noch", f"Nell: ich gehe nachher "
             f"noch mit dem Fahrrad zum Markt{n}b und kaufe frisches Gemüse{n}c für unser Abendessen")]  # fmt: skip
    german = [each for n in range(60) for each in chat(*lines[2 * n : 2 * n + 2], thread=f"t{n}")]
    heard: list[Event] = []
    found = find(with_pairs(workspace, german), report=heard.append)
    assert names(found) <= {"Ann"}
    assert any("in English" in event.text for event in heard)


@pytest.mark.usefixtures("no_samples")
def test_without_the_sample_corpora_there_are_the_partners(nell: PersonaFolder) -> None:
    heard: list[Event] = []
    assert names(find(nell, report=heard.append)) == PARTNERS
    assert any("clone of the project" in event.text for event in heard)


@pytest.mark.usefixtures("no_samples")
def test_the_most_talkative_people_are_taken_and_no_software(workspace: Workspace) -> None:
    crowd = [each for name in ("Nell", "Bob", "Cleo", "DuraLogBot", "system") for each in talks(name)]
    folder = with_pairs(workspace, [*crowd, *talks("Dora", 40), *talks("Eve", MIN_PAIRS - 1)])
    assert names(find(folder)) == {"Bob", "Cleo", "Dora"}
    assert names(find(folder, most=2)) == {"Bob", "Dora"}


def test_large_corpora_are_cut_to_the_impostor_s_threads(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, no_samples: None
) -> None:
    folder = with_pairs(workspace, [each for name in ("Nell", "Bob", "Cleo") for each in talks(name, 60)])
    total = folder.messages.read_bytes().count(b"\n")
    monkeypatch.setattr(impostor_search, "MOST_MESSAGES", 100)
    sizes = counted_builds(monkeypatch)
    found = find(folder)
    assert {"Bob", "Cleo"} <= names(found)
    assert max(sizes) <= 100 < total
    bob = next(impostor for impostor in found if impostor.name == "Bob")
    assert bob.pairs[-1].date == (MORNING + timedelta(days=59, seconds=60)).isoformat()
    assert {pair.conversation.partition("@")[0] for pair in bob.pairs} == {"with Bob"}


def test_nothing_is_found_without_pairs(workspace: Workspace) -> None:
    with pytest.raises(MissingStage):
        find(persona(workspace, many_chats(16)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("DuraLogBot", True), ("github-actions[bot]", True), ("weather bot", True), ("bot_3", True), ("SYSTEM", True),
     ("Talbot", False), ("Bot Ellen", False), ("Abbott", False), ("Lisbeth", False), ("Robotnik", False)],
)  # fmt: skip
def test_software_is_told_by_its_name(name: str, expected: bool) -> None:
    assert is_software(name) is expected


def test_spellings_of_one_name_are_one_person() -> None:
    assert person_key("Nell 🌻") == person_key("nell_") == person_key("NELL2")
    assert person_key("Ann") != person_key("Anna")
    assert person_key("🌻") != person_key("🐕")


@pytest.mark.parametrize("size", [1, 7, 200, 201, 399, 1000])
def test_pairs_are_spread_over_the_whole_time(size: int) -> None:
    pairs: Any = list(range(size))
    kept = list(spread(pairs, 200))
    assert kept == sorted(set(kept))
    assert len(kept) == min(size, 200)
    assert kept[0] == 0
    assert kept[-1] >= size - 1 - size // 200


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 13, 20])
def test_halves_for_fitting_and_testing(count: int) -> None:
    everybody = [Impostor(f"p{n}", (None,) * (200 - 9 * n)) for n in range(count)]  # type: ignore[arg-type]
    fitted, unseen = split_for_test(everybody, seed=3)
    assert sorted(names(fitted) | names(unseen)) == sorted(names(everybody))
    assert len(unseen) == count // 2
    assert len(fitted) == count - len(unseen)
    assert abs(sum(len(each.pairs) for each in fitted[: len(unseen)]) - sum(len(each.pairs) for each in unseen)) <= (
        9 * len(unseen)
    )
    assert split_for_test(everybody[::-1], seed=3) == (fitted, unseen)
    if count >= LEAST_IMPOSTORS:
        assert len(unseen) >= 4
        assert any(names(split_for_test(everybody, seed)[1]) != names(unseen) for seed in range(10))


def test_regulars_of_a_real_channel_and_letter_writers(corpora: Path, workspace: Workspace) -> None:
    irc = corpora / "authors" / "chat" / "duraspace-irc" / "messages.jsonl"
    letters = corpora / "authors" / "letters"
    if not irc.exists() or not letters.is_dir():
        pytest.skip(f"neither {irc} nor {letters} may be missing")
    folder = workspace.folder("tim")
    ingest(folder, [irc], ["tdonohue"])
    build(folder)
    found = find(folder, most=9)
    assert len(found) == 9
    assert all(MIN_PAIRS <= len(impostor.pairs) <= impostor_search.MOST_PAIRS for impostor in found)
    keats = workspace.folder("keats")
    ingest(keats, [letters / "john-keats"], ["John Keats"])
    build(keats)
    heard: list[Event] = []
    writers = find(keats, [letters / name for name in sorted(os.listdir(letters))[:3]], report=heard.append)
    assert 2 <= len(writers) < LEAST_IMPOSTORS
    assert not names(writers) & (PARTNERS | OTHERS)
    assert any("are chats" in event.text for event in heard)
