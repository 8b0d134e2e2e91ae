"""Small pieces of HTML. Everything that comes from files or models is escaped here, and in pair_markup beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from style_clone.errors import StyleCloneError


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """A table; the columns in `numbers` are set flush right."""
    head = _row(headers, "th", numbers)
    body = "".join(_row(row, "td", numbers) for row in rows)
    return f'<div class="sc-scroll"><table class="sc-table"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def card(title: str, figures: Sequence[tuple[str, str]], notes: Sequence[str] = ()) -> str:
    """A titled card of named figures, with sentences below."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    below = "".join(f"<p>{escape(note)}</p>" for note in notes if note)
    return f'<section class="sc-card"><h3>{escape(title)}</h3><dl>{cells}</dl>{below}</section>'


def folded(title: str, inside: str) -> str:
    """HTML under a title that opens it; nothing where there is nothing inside."""
    return f'<details class="sc-more"><summary>{escape(title)}</summary>{inside}</details>' if inside else ""


def notice(text: str, mend: str = "", *, kind: str = "info") -> str:
    """One line to the user, with how to mend it below. `kind` is "info", "good" or "bad"."""
    if not text:
        return ""
    below = "".join(f"<span>{escape(line)}</span>" for line in mend.splitlines() if line.strip())
    role = "alert" if kind == "bad" else "status"
    return f'<div class="sc-notice sc-{kind}" role="{role}"><strong>{escape(text)}</strong>{below}</div>'


def failure(error: StyleCloneError) -> str:
    """An error as the page shows it."""
    return notice(error.problem, error.mend, kind="bad")


def progress_bar(share: float | None, title: str, details: Sequence[str] = ()) -> str:
    """A bar, `share` of 1 done; None for work of unknown length."""
    percent = None if share is None else round(100 * min(max(share, 0.0), 1.0))
    value = "" if percent is None else f' aria-valuenow="{percent}"'
    style = "" if percent is None else f' style="width:{percent}%"'
    unsure = " sc-unsure" if percent is None else ""
    right = "" if percent is None else f"<span>{percent}%</span>"
    bar = (
        f'<div class="sc-bar{unsure}" role="progressbar" aria-label="{escape(title)}" aria-valuemin="0" '
        f'aria-valuemax="100"{value}><div{style}></div></div>'
    )
    figures = "".join(f"<li>{escape(detail)}</li>" for detail in details)
    return f'<div class="sc-progress"><p>{escape(title)}{right}</p>{bar}<ul>{figures}</ul></div>'


def _row(cells: Sequence[str], tag: str, numbers: Sequence[int]) -> str:
    spelled = [
        f'<{tag} class="sc-number">{escape(cell)}</{tag}>' if column in numbers else f"<{tag}>{escape(cell)}</{tag}>"
        for column, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(spelled)}</tr>"


def side_heading(title: str, note: str) -> str:
    """The head of a chat column; says that an AI writes there."""
    return (
        f'<div class="sc-side"><h3>{escape(title)}</h3><span class="sc-ai">AI</span><small>{escape(note)}</small></div>'
    )
