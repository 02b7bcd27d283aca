"""personlog: which person is behind this ID, and why?

An event-sourced identity-resolution engine. Applications call :func:`open`; the story of one
captured event through the code is told in ``docs/walkthrough.md``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.formats.segment import SegmentOptions as SegmentOptions
    from .api import Personlog as Personlog
    from .api import open as open  # noqa: A004 - personlog.open reads as it is meant
    from .api_handles import Buffer as Buffer
    from .api_handles import Projections as Projections
    from .domain.errors import ConcurrentWrite as ConcurrentWrite
    from .domain.errors import InvalidRules as InvalidRules
    from .domain.errors import PersonlogError as PersonlogError
    from .domain.errors import RejectedLine as RejectedLine
    from .domain.errors import StoreError as StoreError
    from .domain.errors import UnknownPerson as UnknownPerson
    from .domain.errors import UnknownProject as UnknownProject
    from .domain.errors import UnknownProjection as UnknownProjection
    from .domain.errors import UnreadableSource as UnreadableSource
    from .domain.rules import Rules as Rules
    from .views import BufferStatus as BufferStatus
    from .views import CapturedEvent as CapturedEvent
    from .views import Cause as Cause
    from .views import Digest as Digest
    from .views import DomainEvent as DomainEvent
    from .views import HeldEvent as HeldEvent
    from .views import ImportReport as ImportReport
    from .views import IngestionWarning as IngestionWarning
    from .views import Merge as Merge
    from .views import Person as Person
    from .views import Project as Project
    from .views import ProjectionStatus as ProjectionStatus
    from .views import RuleSet as RuleSet
    from .views import Verdict as Verdict

__version__ = "0.1.0"

_ERRORS = (
    "ConcurrentWrite InvalidRules PersonlogError RejectedLine StoreError UnknownPerson"
    " UnknownProject UnknownProjection UnreadableSource"
).split()
_VIEWS = (
    "Person Cause RuleSet DomainEvent Merge IngestionWarning CapturedEvent"
    " HeldEvent BufferStatus ImportReport Project ProjectionStatus Verdict Digest"
).split()
_HOMES = {
    **dict.fromkeys(("Personlog", "open"), ".api"),
    **dict.fromkeys(("Buffer", "Projections"), ".api_handles"),
    **dict.fromkeys(_ERRORS, ".domain.errors"),
    **dict.fromkeys(_VIEWS, ".views"),
    "Rules": ".domain.rules",
    "SegmentOptions": ".adapters.formats.segment",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604 - texts they are


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing personlog stays cheap."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return list(__all__)
