"""People made of rules: whose replies are whose is known, so that what an instrument says can be checked."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from style_clone.evaluate.humans import Humans
from style_clone.evaluate.replies import Reply

TOPICS = (
    "boat",
    "garden",
    "invoice",
    "train",
    "kettle",
    "violin",
    "server",
    "recipe",
    "harbour",
    "ticket",
    "ladder",
    "parcel",
)
_STEMS = (
    "i think that the {0} is on the way to the {1}",
    "we should ask about the {0} before you go and get the {1}",
    "the {0} was there when they came for the {1}",
    "you can leave the {0} with me but not the {1}",
    "what would happen if the {0} and the {1} were gone",
    "it has been a week since my {0} or your {1} did that",
    "so there is no {0} at all in this {1}",
)
Manner = Callable[[str, random.Random], str]


def reply(manner: Manner, topic: str, rng: random.Random) -> str:
    """A sentence on a topic, in somebody's manner."""
    said = " and ".join(rng.choice(_STEMS).format(topic, rng.choice(TOPICS)) for _ in range(rng.choice((1, 1, 2))))
    return manner(said, rng)


def plain(said: str, rng: random.Random) -> str:
    """As anybody writes."""
    return said[0].upper() + said[1:] + "."


def noisy(said: str, rng: random.Random) -> str:
    """The author: small letters, stretched words, dots, and ends that are like nobody's."""
    said = said.replace(" the ", " da " if rng.random() < 0.7 else " the ").replace("so ", "sooo ")
    return said + rng.choice(("...", " haha", " :)", "!!"))


def manner_of(seed: int) -> Manner:
    """One of many other people: each has a few small ways of their own."""
    own = random.Random(seed)
    opening = own.choice(("", "Well, ", "OK, ", "Hm. ", "Yes, ", "Right: "))
    ending = own.choice((".", ".", "!", "?", ";", " - right"))
    word = own.choice(
        (("about", "regarding"), ("should", "must"), ("that", "which"), ("no", "not any"), ("you", "one"))
    )
    often = own.uniform(0.2, 0.6)

    def manner(said: str, rng: random.Random) -> str:
        said = said.replace(*word) if rng.random() < often else said
        return (opening if rng.random() < often else "") + said[0].upper() + said[1:] + ending

    return manner


def replies(manner: Manner, count: int, seed: int, conversations: int = 20, name: str = "c") -> list[Reply]:
    """Replies about what they were asked, spread over conversations."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        topic = rng.choice(TOPICS)
        prompt = f"{number}: what about the {topic}, the {rng.choice(TOPICS)} or the {rng.choice(TOPICS)}"
        made.append(Reply(reply(manner, topic, rng), f"{name}{number * conversations // count}", prompt))
    return made


def humans(author: Manner = noisy, *, own: int = 300, each: int = 80, fitted: int = 6, unseen: int = 6) -> Humans:
    """The author and a dozen others."""
    people = [
        (f"person {number}", replies(manner_of(number), each, 100 + number, 8, f"p{number}-"))
        for number in range(fitted + unseen)
    ]
    judge, test = replies(author, own, 1, name="j"), replies(author, own // 2, 2, name="t")
    return Humans(judge, test, dict(people[:fitted]), dict(people[fitted:]))


def answering(test: Sequence[Reply], manner: Manner, seed: int) -> list[Reply]:
    """A candidate that answers the same prompts in some manner, each about what it was asked."""
    rng = random.Random(seed)
    topics = [re.findall(r"the (\w+)", each.prompt)[0] for each in test]
    return [
        Reply(reply(manner, topic, rng), each.conversation, each.prompt)
        for each, topic in zip(test, topics, strict=True)
    ]
