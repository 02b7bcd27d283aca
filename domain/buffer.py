"""The buffer decision: which captured events wait for a late identify (semantics 7.1)."""

from .captured_event import GROUP_NAME, LINKING_NAMES, CapturedEvent
from .rules import Rules

_CLIENT_LIBRARIES = frozenset(
    {"posthog-ios", "posthog-android", "posthog-react-native", "posthog-flutter"}
)
_NEVER_HELD = LINKING_NAMES | {GROUP_NAME}


def is_held(event: CapturedEvent, rules: Rules) -> bool:
    """Decide on arrival whether an event whose own ID has no person is held.

    The lines of the table in order; the first that matches decides.
    """
    if rules.buffer_seconds == 0 or event.personless or event.dropped:
        return False
    if event.name in _NEVER_HELD or event.anonymous:
        return False
    library = event.library
    return not (isinstance(library, str) and library in _CLIENT_LIBRARIES)


def due_at(arrived_at: int, rules: Rules) -> int:
    """Give the moment at which an event held on arrival is processed, in milliseconds."""
    return arrived_at + rules.buffer_seconds * 1000
