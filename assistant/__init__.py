"""Questions of an article corpus -> cited answers, without an LLM, a key or a network.

    from assistant import Assistant

    with Assistant.open() as assistant:
        assistant.sync()
        print(assistant.ask("Which brand did Huawei launch with JAC?"))

Names are loaded when first used, so that `import assistant` and `assistant --help` stay fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.assistant import Assistant
    from assistant.errors import AssistantError
    from assistant.schema import Answer, Article, Citation, Hit, Passage, Span, SyncReport, Turn
    from assistant.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "Assistant": "assistant.assistant",
    "AssistantError": "assistant.errors",
    "Settings": "assistant.settings",
    **dict.fromkeys(
        ("Answer", "Article", "Citation", "Hit", "Passage", "Span", "SyncReport", "Turn"),
        "assistant.schema",
    ),
}

__all__ = [
    "Answer",
    "Article",
    "Assistant",
    "AssistantError",
    "Citation",
    "Hit",
    "Passage",
    "Settings",
    "Span",
    "SyncReport",
    "Turn",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'assistant' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
