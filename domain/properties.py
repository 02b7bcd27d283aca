"""Person properties: what an event's operations change, and which event properties are lifted."""

from collections.abc import Sequence
from typing import NamedTuple

from .captured_event import LINKING_NAMES, CapturedEvent
from .json_values import JsonObject, same_value

NO_UPDATE_NAMES = frozenset({"$exception", "$$heatmap"})
"""Events that change no existing person's properties (semantics 5.3)."""

ALWAYS_COUNTED_NAMES = LINKING_NAMES | {"$set"}
"""Events whose volatile properties always count (semantics 5.4)."""

_CAMPAIGN = frozenset(
    "utm_source utm_medium utm_campaign utm_content utm_name utm_term gclid gad_source gclsrc dclid"
    " gbraid wbraid fbclid msclkid twclid li_fat_id mc_cid igshid ttclid rdt_cid irclid _kx epik"
    " qclid sccid".split()
)
_PAGE_AND_DEVICE = frozenset(
    "$current_url $pathname $referring_domain $referrer $screen_height $screen_width"
    " $viewport_height $viewport_width $browser $browser_version $device_type $raw_user_agent"
    " $os $os_version".split()
)
LIFTED = (
    _CAMPAIGN | _PAGE_AND_DEVICE | set("$app_build $app_name $app_namespace $app_version".split())
)
"""Event properties that become person properties when lifting is on (semantics 5.7)."""

VOLATILE = _PAGE_AND_DEVICE | set(
    "$os_name $geoip_postal_code $geoip_time_zone $geoip_latitude $geoip_longitude"
    " $geoip_accuracy_radius $geoip_subdivision_1_code $geoip_subdivision_1_name"
    " $geoip_subdivision_2_code $geoip_subdivision_2_name $geoip_subdivision_3_code"
    " $geoip_subdivision_3_name $geoip_city_confidence $geoip_country_confidence"
    " $geoip_postal_code_confidence $geoip_subdivision_1_confidence"
    " $geoip_subdivision_2_confidence".split()
)
"""Properties whose change alone, by an ordinary event, may be ignored (semantics 5.4)."""

_SERVER_OS = frozenset({"$os", "$os_version"})


class Changes(NamedTuple):
    """What an event changes: ``new`` values, the ``old`` ones they replace, keys ``unset``."""

    new: JsonObject
    old: JsonObject
    unset: list[str]


def lift(event: CapturedEvent, sent: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Give ``$set`` and ``$set_once`` with the lifted properties under the explicit ones.

    ``sent`` are the event's own properties. ``$os_name`` stands in for a missing ``$os``; a
    server library's own OS is no person's.
    """
    lifted = {key: value for key, value in sent.items() if key in LIFTED}
    if "$os" not in lifted and "$os_name" in sent:
        lifted["$os"] = sent["$os_name"]
    if sent.get("$is_server") is True:
        lifted = {key: value for key, value in lifted.items() if key not in _SERVER_OS}
    initial = {f"$initial_{key.replace('$', '')}": value for key, value in lifted.items()}
    return {**lifted, **event.set_}, {**initial, **event.set_once}


def changes(
    before: JsonObject, set_: JsonObject, set_once: JsonObject, unset: Sequence[str]
) -> Changes | None:
    """Work out what ``$set_once``, ``$set`` and ``$unset``, in this order, change; None if nothing.

    null counts as present for ``$set_once``; ``$unset`` comes last and is always effective
    (semantics 5.1); an equal value is no change (5.4).
    """
    new = {key: value for key, value in set_once.items() if key not in before}
    for key, value in set_.items():
        if key in before and same_value(before[key], value):
            continue
        new[key] = value
    removed: list[str] = []
    if unset:
        for key in unset:
            new.pop(key, None)
        removed = [key for key in dict.fromkeys(unset) if key in before]
    if not new and not removed:
        return None
    old = {key: before[key] for key in new if key in before} if before else {}
    for key in removed:
        old[key] = before[key]
    return Changes(new, old, removed)


def only_volatile(found: Changes) -> bool:
    """Tell whether all that changed are volatile properties that were present before."""
    return not found.unset and all(key in VOLATILE and key in found.old for key in found.new)
