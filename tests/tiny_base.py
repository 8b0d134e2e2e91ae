"""A whole base model of a few thousand weights on disk, and a persona with pairs: the line's second half in a second."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from style_clone import baseline
from style_clone.conversation import Message
from style_clone.models import BaseModel, resolve
from style_clone.pairs.run import build
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import many_chats, message, persona
from tests.tiny import tiny_model

SPECIAL = ["<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, and ChatML."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bare = Tokenizer(models.BPE({token: at for at, token in enumerate([*SPECIAL, *letters])}, []))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="<|im_end|>", pad_token="<|im_end|>")
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def save_tiny_base(folder: Path, seed: int = 0) -> Path:
    """A base model folder as a user would give one to --base."""
    tiny_model(seed, vocabulary=len(byte_tokenizer()), positions=4096).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def tiny_base(workspace: Workspace, seed: int = 0) -> BaseModel:
    """The same, resolved."""
    return resolve(str(save_tiny_base(workspace.home / "bases" / "tiny", seed)), workspace)


def paired(workspace: Workspace, conversations: int = 16) -> PersonaFolder:
    """A persona with messages, pairs and prompted baseline."""
    folder = persona(workspace, many_chats(conversations, replies=2))
    build(folder)
    baseline.build(folder)
    return folder


def one_undated_chat() -> list[Message]:
    """Sixty messages of one thread without a date: one conversation, which is never cut in two."""
    return [
        message(author, f"{author} has word{number}x and more of{number}{author} for thing{number}{author}", None)
        for number in range(30)
        for author in ("Ann", "Nell")
    ]
