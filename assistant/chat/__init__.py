"""An Assistant -> the chat page: conversation on one side, the cited articles on the other. The home of gradio."""

from assistant.chat.page import CSS, build_page, theme

__all__ = ["CSS", "build_page", "theme"]
