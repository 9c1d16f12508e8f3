"""A folder or a file -> its items, and each item's bytes -> an Article.

Formats are Markdown, plain text and saved HTML pages. What cannot be read is an outcome with a reason
(`ArticleUnreadable`), never an exception that ends a sync, and never half an article.
"""

from assistant.sources.files import Item, Skipped, Unlisted, check_there, items, parse

__all__ = ["Item", "Skipped", "Unlisted", "check_there", "items", "parse"]
