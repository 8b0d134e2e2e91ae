"""Numbers as a person reads them: times, sizes, counts; two digits are enough for what is only expected."""

from __future__ import annotations

GB = 1e9


def spell_seconds(seconds: float) -> str:
    """Such as "40 s", "8 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = max(1, round(seconds / 60))
    hours, rest = divmod(minutes, 60)
    return " ".join(filter(None, [f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else ""]))


def spell_bytes(size: float) -> str:
    """In units of 10^9 or 10^6 bytes: such as "1.9 GB", "24 GB", "310 MB"."""
    if size < 0.95 * GB:
        return f"{max(1, round(size / 1e6)):,} MB" if size > 0 else "0 MB"
    return f"{size / GB:.1f} GB" if size < 9.95 * GB else f"{size / GB:,.0f} GB"


def spell_count(number: float) -> str:
    """A large count, such as "135M" or "1.7B" parameters."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:,.0f}"


def counted(count: float | None, noun: str, plural: str = "") -> str:
    """Such as "1 reply", "212 replies"."""
    if count is None:
        return f"an unknown number of {plural or noun + 's'}"
    return f"{count:,.0f} {noun if count == 1 else plural or noun + 's'}"


def spell_setting(value: object) -> str:
    """A setting of the recipe as `--set` takes it: such as "0.001", "512", "true", "all-linear"."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
