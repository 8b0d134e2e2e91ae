"""Redaction by form: what is masked, what is not, and that no text takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from style_clone.errors import StorageError, UsageError
from style_clone.pairs.masking.numbers import is_iban, luhn
from style_clone.pairs.redact import PLACEHOLDER, TYPES, Policy, Redactor, contacts_of, people_in
from style_clone.workspace import Workspace
from tests.pairs_chats import chat, message

PEOPLE = ("Ann Marlow", "Bob Hale", "ann_lee84", "Will May", "+44 7700 900123")


def redactor(**policy: tuple[str, ...]) -> Redactor:
    return Redactor(Policy(**policy), PEOPLE, ("Nell Quayle", "Nell"))


SECRETS = [
    "sk-abcdef1234567890abcdef",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-123456789012-abcdefABCDEF",
    "AKIAIOSFODNNSEXAMPLE",
    "AIzapSTXpCjIAznCHfWLcozCsCvNtRjfOFZlyFt",
    "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",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc-def_x",
    "postgres://me:pw1@db.example.org/x",
    "-----BEGIN PRIVATE KEY-----\nabc\ndef\n-----END PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_keys_are_known_by_their_form(secret: str) -> None:
    assert redactor()(f"use {secret} for it") == "use <secret> for it"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password: hunter2", "password: <secret>"),
        ("the pw is swordfish.", "the pw is <secret>."),
        ("Passwort: geheim", "Passwort: <secret>"),
        ("mot de passe : soleil9", "mot de passe : <secret>"),
        ("my netflix password is Tr0ub4dor&3 ok", "my netflix password is <secret> ok"),
        ("password:\nhunter2", "password:\n<secret>"),
        ("DB_PASSWORD=xyzzy", "DB_PASSWORD=<secret>"),
        ("the passcode is opensesame", "the passcode is <secret>"),
        ("the pin is 4821", "the pin is <secret>"),
        ("door code: 4821", "door code: <secret>"),
        ("Authorization: Bearer abcdef1234567890xyz", "Authorization: Bearer <secret>"),
        ("api key = a8f5f167f44f4964e6c998dee827110c", "api key = <secret>"),
    ],
)
def test_what_is_called_a_secret(text: str, masked: str) -> None:
    assert redactor()(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "the password is wrong",
        "my password is not working",
        "a password is required here",
        "[sudo] password for john:\nReading package lists",
        "gpg: key 51716619E084DAB9: public key",
        "Pin: release a=testing",
        "the key is to stir slowly",
        "exit code: 1",
    ],
)
def test_what_only_sounds_like_a_secret(text: str) -> None:
    assert redactor()(text) == text


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ("ann.marlow+x@mail.example.co.uk", "email"),
        ("ann at example dot org", "email"),
        ("ann [at] example.org", "email"),
        ("07700 900123", "phone"),
        ("+49 30 1234567", "phone"),
        ("0049 30 1234567", "phone"),
        ("(415) 555-2671", "phone"),
        ("415-555-2671", "phone"),
        ("06 12 34 56 78", "phone"),
        ("612 34 56 78", "phone"),
        ("612 345 678", "phone"),
        ("0450 00 12 34", "phone"),
        ("138 1234 5678", "phone"),
        ("030/1234567", "phone"),
        ("(+298) 353900", "phone"),
        ("(11) 91234-5678", "phone"),
        ("98765 43210", "phone"),
        ("4111 1111 1111 1111", "card"),
        ("378282246310005", "card"),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("GB82WEST12345698765432", "iban"),
        ("12 Oak Street, Apt 4B", "address"),
        ("Hauptstraße 5", "address"),
        ("Berliner Str. 12a", "address"),
        ("12 rue de la Paix", "address"),
        ("Calle de Alcalá, 45", "address"),
        ("SW1A 1AA", "address"),
        ("Springfield, IL 62704", "address"),
        ("https://example.org/a?b=c", "url"),
        ("www.example.org", "url"),
        ("example.org/ann/me", "url"),
        ("550e8400-e29b-41d4-a716-446655440000", "id"),
        ("078-05-1120", "id"),
        ("AB123456C", "id"),
        ("12345678Z", "id"),
        ("756.9217.0769.85", "id"),
        ("2 69 05 49 588 157 80", "id"),
        ("123456789", "id"),
        ("d731c2ac-6bdd-972e-bcfb-aceb77ddfd86", "id"),
    ],
)
def test_what_is_known_by_its_form(found: str, kind: str) -> None:
    mask = redactor()
    assert mask(f"so {found}, yes") == f"so <{kind}>, yes"
    assert mask.counts == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "2010-07-02 08:43",
        "from 1999-2001 and 2001 2002 2003",
        "12/03/2025, 10-12-2020, 20100702, 20100702084312",
        "it cost $12,345,678 or 10 000 000 euros, 12345678 bytes, 99.95",
        "192.168.100.200 and 1.5.4.2 and 2.6.32-5-amd64",
        "[08:43:12] see DS-1032 and #1032, DS-10321234",
        "3.14159265358979 0.088   0.000   0.088",
        "[1] 60 64 68 72 and 10 20 30 40 50 and 12345 67890 and 100 200 300 and 5 10 15 20 25 30 35",
        "3 Big Ideas, 24 hours, 20 miles down the road, 2 lane road",
        "look at github.com, it's in file.py/x and/or e.g. this",
        "12345678A",
        "1500000000 is a round number",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert redactor()(text) == text


def test_numbers_whose_check_digits_do_not_fit_are_only_long_numbers() -> None:
    mask = redactor()
    mask("4111 1111 1111 1112 4111111111111112 DE88370400440532013000")
    assert not mask.counts["card"] + mask.counts["iban"]
    assert mask("4111111111111112") == "<id>"


def test_a_telephone_number_ends_where_it_ends() -> None:
    assert redactor()("call me on 07700 900123 2pm") == "call me on <phone> 2pm"
    assert redactor()("my number is 555-0123") == "my number is <phone>"
    assert redactor()("(020 7946 0018)") == "(<phone>)"


def test_links_leave_the_sentence_whole() -> None:
    mask = redactor()
    assert mask("see https://x.org/a(b)c). (www.foo.com/bar), [a](http://b.c/d)!") == "see <url>). (<url>), [a](<url>)!"


def test_checksums() -> None:
    assert luhn("4111 1111 1111 1111")
    assert not luhn("4111 1111 1111 1112")
    assert is_iban("FR1420041010050500013M02606")
    assert not is_iban("FR1420041010050500013M02607")


@given(st.integers(min_value=10**14, max_value=10**15 - 1))
def test_a_luhn_digit_fits_exactly_one_number_of_ten(stem: int) -> None:
    assert sum(luhn(f"{stem}{digit}") for digit in range(10)) == 1


# Idempotence, and what a policy does


PARTS = [
    "Ann",
    "Ann Marlow",
    "hi ",
    ", ",
    "\n",
    "<",
    ">",
    "@",
    "07700 900123",
    "x@y.org",
    "http://a.b/",
    "password: ",
    "4111",
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from([*PARTS, "<email>", "<person-1>", " ", "12"]), st.text(max_size=6)), max_size=12)
)
def test_redacting_twice_is_redacting_once(parts: list[str]) -> None:
    mask = redactor()
    once = mask("".join(parts))
    before = mask.counts.copy()
    assert mask(once) == once
    assert mask.counts == before


def test_placeholders_that_are_there_are_not_counted() -> None:
    mask = redactor()
    text = "mail <email>, ask <person-7>, password: <secret>"
    assert mask(text) == text
    assert not mask.counts


def test_words_of_the_users_own_are_masked_whole_and_in_any_case() -> None:
    mask = redactor(words=("Project Falcon", "łódź"))
    assert mask("project falcon, Łódź, falconry") == "<word>, <word>, falconry"
    assert mask.counts == {"word": 2}


def test_what_is_to_be_kept_is_kept() -> None:
    mask = redactor(keep=("nell@x.org", "example.org", "Ann Marlow", "Hale"))
    text = "nell@x.org www.example.org/a https://example.org/b Ann Marlow saw Marlow and Hale"
    assert mask(text) == text
    assert mask("x@x.org Bob Hale other.org/b password: example.org") == "<email> <person-2> <url> password: <secret>"


def test_a_type_can_be_switched_off_but_not_secrets() -> None:
    mask = redactor(off=("url", "person", "phone"))
    assert mask("Bob Hale www.a.org a@b.org") == "Bob Hale www.a.org <email>"
    with pytest.raises(UsageError, match="always masked"):
        Policy(off=("secret",))
    with pytest.raises(UsageError, match="no type of redaction"):
        Policy(off=("urls",))


def test_a_policy_is_kept_in_redaction_json(workspace: Workspace) -> None:
    folder = workspace.folder("me")
    assert Policy.load(folder) == Policy()
    policy = Policy(words=("Zoë",), keep=("a@b.org",), off=("url",))
    policy.save(folder)
    assert Policy.load(folder) == policy


@pytest.mark.parametrize("content", ["{", "[]", '{"words": "Ann"}', '{"off": ["secret"]}', '{"keep": [1]}'])
def test_a_damaged_policy_is_told(workspace: Workspace, content: str) -> None:
    folder = workspace.folder("me")
    folder.root.mkdir(parents=True)
    folder.redaction.write_text(content)
    with pytest.raises(StorageError, match=r"redaction\.json is damaged"):
        Policy.load(folder)


def test_entities_found_by_a_model_are_masked_where_nothing_surer_is() -> None:
    def entities(text: str) -> list[tuple[int, int, str]]:
        at = text.find("Cole")
        return [(at, at + 4, "person"), (0, 4, "planet")] if at >= 0 else []

    mask = Redactor(Policy(), PEOPLE, (), entities=entities)
    assert mask("Mars: Cole saw Ann Marlow") == "Mars: <person> saw <person-1>"


def test_people_are_numbered_by_their_messages() -> None:
    messages = [*chat("Ann: a", "Bob: b", "Bob: c", "Nell: d"), message("Nell", "e", recipient="Cy")]
    people = people_in(messages)
    assert people == ["Bob", "Nell", "Ann", "Cy"]
    assert contacts_of([*people, "BOB", "ann"], ["nell"]) == ["Bob", "Ann", "Cy"]


# Time


HOSTILE = [
    "a",
    "a.",
    "a@",
    "1",
    "1 ",
    "1)",
    "(1",
    "12.",
    "http://a:",
    "eyJ-",
    "sk-",
    "password a ",
    "key ",
    "Ann ",
    "Ann, ",
]
HOSTILE += [
    "ann_",
    "<",
    "DE89",
    "12 Oak ",
    "Aa ",
    "a at [at] ",
    " ",
    "\n",
    "x.com/",
    "-----BEGIN PRIVATE KEY-----",
    "bearer ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    """Ten times the text may take at most 40 times as long; were it the square, it would be 100 times."""

    def seconds(length: int) -> float:
        text = (piece * length)[:length] + "!"
        started = time.process_time()
        redactor()(text)
        return time.process_time() - started

    small = min(seconds(2_000) for _ in range(3))
    assert min(seconds(20_000) for _ in range(2)) < 40 * small + 0.02


def test_the_number_of_contacts_does_not_matter() -> None:
    text = "yeah I think that works for me, see you tomorrow then with Zed"

    def seconds(contacts: int) -> float:
        mask = Redactor(Policy(), [f"Given{number} Family{number}" for number in range(contacts)], ())
        best = 1.0
        for _ in range(5):
            started = time.process_time()
            for _ in range(1000):
                mask(text)
            best = min(best, time.process_time() - started)
        return best

    assert seconds(4_000) < 4 * seconds(20)


def test_every_type_has_a_placeholder() -> None:
    assert all(PLACEHOLDER.fullmatch(f"<{name}>") for name in TYPES)
    assert PLACEHOLDER.fullmatch("<person-12>")
