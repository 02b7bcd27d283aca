"""Names of projects."""

from .json_values import clean_text

DEFAULT_PROJECT = "default"
"""Where lines go that name no project."""

MAX_PROJECT_NAME = 200


def is_project_name(text: str) -> bool:
    """Tell whether a text can name a project: 1 to 200 characters, none of them a control."""
    return 0 < len(text) <= MAX_PROJECT_NAME and text.isprintable() and clean_text(text) == text
