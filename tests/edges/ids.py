"""The table of ids, and whether Amazon Verified Permissions takes each (rule A9)."""

from __future__ import annotations

from tests.edges.values import LINE_BREAKS, ODD_TEXTS, UNHOLDABLE, characters

MOST = 612


def ids() -> dict[str, tuple[str, bool]]:
    """Texts by what they are, each with whether it is an id."""
    texts = {name: text for name, text in ODD_TEXTS.items() if len(text) <= MOST}
    lengths = {f"{n} of {c!r}": c * n for c in ("x", "é", "😀") for n in (1, 611, 612, 613, 10_000)}
    composed = {"612 with marks": "e\u0301" * 306, "614 with marks": "e\u0301" * 307}
    keys = {name: name for name in ("007", "+7", "-0", "7.0", "0x7", "1_0", "\uff17", " 7", "7 ", "1e1", str(2**64))}
    taken = {**texts, **lengths, **composed, **keys, **dict(characters())}
    table = {name: (text, 1 <= len(text) <= MOST and text not in _BREAKS) for name, text in taken.items()}
    refused = {**LINE_BREAKS, **UNHOLDABLE, "a break at the end": "a\n", "nothing but one": "\u2028"}
    return {**table, **{name: (text, False) for name, text in refused.items()}}


_BREAKS = frozenset("\n\r\u0085\u2028\u2029")
