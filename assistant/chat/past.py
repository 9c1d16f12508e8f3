"""The earlier conversations that a browser keeps: put away, opened again, forgotten.

A shelf is a list of {"title", "turns"}, newest first; it travels with the few events that need it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from typing import Any

from assistant.assistant import Assistant
from assistant.chat.turns import ShownTurn, from_browser

_MOST_CHARACTERS = 300_000
"""Of all earlier conversations as JSON; the server takes three times as much in one request. The oldest leave."""

SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.open) trigger('open', { place: Number(button.dataset.open) });
  if (button?.dataset.forget) trigger('forget', { place: Number(button.dataset.forget) });
});
"""


def put_away(shelf: object, turns: Sequence[Any]) -> list[dict[str, Any]]:
    """The shelf with a conversation on top, if there was one; what no longer fits has left it."""
    kept = _conversations(shelf)
    if turns:
        kept = [{"title": _title(turns), "turns": list(turns)}, *kept]
    while kept and len(json.dumps(kept)) > _MOST_CHARACTERS:
        kept.pop()
    return kept


def markup(shelf: object) -> str:
    """A list of them, each with a button that opens and one that forgets it."""
    rows = [
        f"<li><button type='button' class='as-link' data-open='{place}'>{html.escape(conversation['title'])}</button> "
        f"<button type='button' class='minor' data-forget='{place}' "
        f"aria-label='Forget: {html.escape(conversation['title'], quote=True)}'>Forget</button></li>"
        for place, conversation in enumerate(_conversations(shelf))
    ]
    if not rows:
        return "<p class='hint'>None yet. They are kept in this browser only.</p>"
    return f"<ul class='past'>{''.join(rows)}</ul><p class='hint'>Kept in this browser only.</p>"


def wire(
    gr: Any, assistant: Assistant, parts: Any, render: Callable[[list[ShownTurn]], str], drop: Callable[[str], None]
) -> None:
    """The events of the buttons.

    `render` makes a conversation's markup; `drop` ends what a session is asking when its conversation is changed.
    """
    inputs = [parts.turns, parts.shelf]
    outputs = [parts.turns, parts.shelf, parts.conversation, parts.pending, parts.earlier]

    def shown(turns: Sequence[Any], shelf: list[dict[str, Any]]) -> tuple[Any, ...]:
        return list(turns), shelf, render(from_browser(turns, assistant)), "", markup(shelf)

    def begin(turns: list[Any], shelf: object, request: Any) -> tuple[Any, ...]:
        drop(request.session_hash)
        return shown([], put_away(shelf, turns))

    def open_again(turns: list[Any], shelf: object, event: Any, request: Any) -> tuple[Any, ...]:
        kept = _conversations(shelf)
        if not 0 <= event.place < len(kept):
            return (gr.skip(),) * len(outputs)
        drop(request.session_hash)
        chosen = kept.pop(event.place)
        return shown(chosen["turns"], put_away(kept, turns))

    def forget(shelf: object, event: Any) -> tuple[Any, ...]:
        left = [kept for place, kept in enumerate(_conversations(shelf)) if place != event.place]
        return left, markup(left)

    forget.__annotations__["event"] = gr.EventData
    begin.__annotations__["request"] = gr.Request
    open_again.__annotations__.update(event=gr.EventData, request=gr.Request)
    parts.new.click(begin, inputs, outputs, show_progress="hidden")
    parts.earlier.open(open_again, inputs, outputs, show_progress="hidden")
    parts.earlier.forget(forget, [parts.shelf], [parts.shelf, parts.earlier], show_progress="hidden")


def _conversations(shelf: object) -> list[dict[str, Any]]:
    """Those that are well formed: what a browser sends is checked."""
    return [
        kept
        for kept in (shelf if isinstance(shelf, list) else [])
        if isinstance(kept, dict) and isinstance(kept.get("title"), str) and isinstance(kept.get("turns"), list)
    ]


def _title(turns: Sequence[Any]) -> str:
    first = turns[0].get("question") if isinstance(turns[0], dict) else None
    return " ".join(str(first or "A conversation").split())[:120]
