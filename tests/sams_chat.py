"""A chat of Sam Reed's, as WhatsApp exports one, with a hostile name in it; and Sam as a persona."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

from style_clone.ingest.run import ingest
from style_clone.preparation import prepare
from style_clone.workspace import PersonaFolder, Workspace

NASTY = "<img src=x onerror=document.title='hacked'>"
SAM = (
    "haha yes!!",
    "omw\nsave me a seat pls",
    "noooo the train is late AGAIN",
    "ok ok\n7 then",
    "did u see the game??",
)
ANN = ("Are you coming tonight?", "I will bring the good bread.", "What time suits you?", "That is fine with me.")


def write_chat(path: Path, conversations: int = 40) -> Path:
    """A WhatsApp export of Sam Reed and two others, some hours between conversations."""
    random_ = random.Random(7)
    when, lines = datetime(2024, 3, 1, 18, 0), []
    for number in range(conversations):
        for turn in range(3):
            lines.append(
                f"{when:%d/%m/%Y, %H:%M} - {'Ann' if number % 3 else NASTY}: {random_.choice(ANN)} ({number}.{turn})"
            )
            when += timedelta(minutes=1)
            lines.append(f"{when:%d/%m/%Y, %H:%M} - Sam Reed: {random_.choice(SAM)} {random_.randrange(1000)}")
            when += timedelta(minutes=1)
        when += timedelta(hours=9)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def paired_sam(workspace: Workspace, conversations: int = 80) -> PersonaFolder:
    """Sam's persona, with pairs and prompted baseline."""
    folder = workspace.folder("sam")
    ingest(folder, [write_chat(workspace.home.parent / "chat.txt", conversations)], ["Sam Reed"])
    prepare(folder)
    return folder
