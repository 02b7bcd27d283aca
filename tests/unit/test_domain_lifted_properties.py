"""Lifted and volatile properties: what the rules may add to an event's operations, or ignore."""

from typing import Any

import pytest

from personlog.domain.events import DistinctIdAdded, PersonCreated, PropertiesSet
from personlog.domain.json_values import JsonObject
from personlog.domain.rules import Rules

from .conftest import ARRIVED, HERE, USER, given, new, person

LIFTING = Rules(auto_person_properties=True)
NOT_VOLATILE = Rules(ignore_volatile_properties=True)


def event(properties: JsonObject, name: str = "pageview") -> JsonObject:
    return {"event": name, "distinct_id": "user", "properties": properties}


def changed(
    new: JsonObject, old: JsonObject | None = None, unset: list[str] | None = None
) -> PropertiesSet:
    return PropertiesSet(**HERE, new=new, old=old or {}, unset=unset or [])


# Lifted properties


def test_lifting_is_off_by_default() -> None:
    lifted, user = {"utm_source": "ad", "$os": "iOS"}, new("user")
    given(person(USER, "user")).when(event(lifted)).then_nothing()
    given(person(USER, "user")).when(event({**lifted, "$set": {"a": 1}})).then(
        (USER, changed({"a": 1}))
    )
    given().when(event(lifted)).then(
        (user, PersonCreated(**HERE, created_at=ARRIVED)),
        (user, DistinctIdAdded(**HERE, distinct_id="user")),
    )


@pytest.mark.parametrize(
    ("key", "initial"),
    [
        ("utm_campaign", "$initial_utm_campaign"),
        ("gclid", "$initial_gclid"),
        ("_kx", "$initial__kx"),
        ("$current_url", "$initial_current_url"),
        ("$os_version", "$initial_os_version"),
        ("$viewport_width", "$initial_viewport_width"),
        ("$app_build", "$initial_app_build"),
    ],
)
def test_lifted_keys_are_those_of_campaigns_pages_devices_and_apps(key: str, initial: str) -> None:
    given(person(USER, "user")).when(event({key: "x"}), LIFTING).then(
        (USER, changed({initial: "x", key: "x"})),
    )


@pytest.mark.parametrize("key", ["$lib", "$ip", "$geoip_city_name", "utm_color", "$initial_os"])
def test_other_keys_are_not_lifted(key: str) -> None:
    given(person(USER, "user")).when(event({key: "x"}), LIFTING).then_nothing()


def test_lifted_properties_are_set_and_set_once_as_initial_ones() -> None:
    sent = {"utm_source": "ad", "$browser": "Firefox", "$app_version": "2", "color": "red"}
    before = {"$browser": "Chrome", "$initial_browser": "Chrome"}
    given(person(USER, "user", properties=before)).when(event(sent), LIFTING).then(
        (
            USER,
            changed(
                {
                    "$initial_utm_source": "ad",
                    "$initial_app_version": "2",
                    "utm_source": "ad",
                    "$browser": "Firefox",
                    "$app_version": "2",
                },
                {"$browser": "Chrome"},
            ),
        ),
    )


def test_explicit_operations_win_over_lifted_properties() -> None:
    sent = {
        "utm_source": "ad",
        "$set": {"utm_source": "mine"},
        "$set_once": {"$initial_utm_source": "first"},
    }
    given(person(USER, "user")).when(event(sent), LIFTING).then(
        (USER, changed({"$initial_utm_source": "first", "utm_source": "mine"})),
    )


def test_os_name_stands_in_for_a_missing_os_only() -> None:
    user = given(person(USER, "user"))
    user.when(event({"$os_name": "iOS"}), LIFTING).then(
        (USER, changed({"$initial_os": "iOS", "$os": "iOS"})),
    )
    user.when(event({"$os_name": "iOS", "$os": "iPadOS"}), LIFTING).then(
        (USER, changed({"$initial_os": "iPadOS", "$os": "iPadOS"})),
    )


@pytest.mark.parametrize("os", ["$os", "$os_name"])
def test_the_os_of_a_server_library_is_no_persons(os: str) -> None:
    sent = {os: "Linux", "$os_version": "6", "$is_server": True, "$browser": "curl"}
    given(person(USER, "user")).when(event(sent), LIFTING).then(
        (USER, changed({"$initial_browser": "curl", "$browser": "curl"})),
    )


@pytest.mark.parametrize("flag", [False, None, "true", 1])
def test_only_true_marks_a_server_library(flag: Any) -> None:
    given(person(USER, "user")).when(event({"$os": "Linux", "$is_server": flag}), LIFTING).then(
        (USER, changed({"$initial_os": "Linux", "$os": "Linux"})),
    )


# Volatile properties

PAGE = {"$current_url": "/a", "$browser": "Chrome"}


def test_volatile_changes_count_by_default() -> None:
    given(person(USER, "user", properties=PAGE)).when(event({"$set": {"$current_url": "/b"}})).then(
        (USER, changed({"$current_url": "/b"}, {"$current_url": "/a"})),
    )


def test_volatile_changes_alone_are_ignored_when_so_ruled() -> None:
    sent = {"$set": {"$current_url": "/b", "$browser": "Firefox"}}
    given(person(USER, "user", properties=PAGE)).when(event(sent), NOT_VOLATILE).then_nothing()


@pytest.mark.parametrize(
    "key", ["$referrer", "$os", "$os_name", "$raw_user_agent", "$geoip_latitude"]
)
def test_volatile_keys_are_those_of_pages_devices_and_places(key: str) -> None:
    given(person(USER, "user", properties={key: 1})).when(
        event({"$set": {key: 2}}), NOT_VOLATILE
    ).then_nothing()


@pytest.mark.parametrize(
    "key", ["plan", "utm_source", "$app_version", "$geoip_city_name", "$initial_os"]
)
def test_other_keys_are_not_volatile(key: str) -> None:
    given(person(USER, "user", properties={key: 1})).when(
        event({"$set": {key: 2}}), NOT_VOLATILE
    ).then((USER, changed({key: 2}, {key: 1})))


@pytest.mark.parametrize("name", ["$set", "$identify", "$create_alias", "$merge_dangerously"])
def test_some_events_always_count(name: str) -> None:
    sent = event({"$set": {"$current_url": "/b"}}, name)
    given(person(USER, "user", properties=PAGE)).when(sent, NOT_VOLATILE).then(
        (USER, changed({"$current_url": "/b"}, {"$current_url": "/a"})),
    )


def test_a_volatile_key_seen_for_the_first_time_counts_and_stores_all() -> None:
    sent = {"$set": {"$current_url": "/b", "$os": "iOS"}}
    given(person(USER, "user", properties=PAGE)).when(event(sent), NOT_VOLATILE).then(
        (USER, changed({"$current_url": "/b", "$os": "iOS"}, {"$current_url": "/a"})),
    )


def test_one_counted_change_stores_the_volatile_ones_too() -> None:
    sent = {"$set": {"$current_url": "/b", "plan": "pro"}}
    before = {**PAGE, "plan": "free"}
    given(person(USER, "user", properties=before)).when(event(sent), NOT_VOLATILE).then(
        (
            USER,
            changed({"$current_url": "/b", "plan": "pro"}, {"$current_url": "/a", "plan": "free"}),
        ),
    )


def test_unsetting_a_volatile_key_counts() -> None:
    sent = {"$set": {"$browser": "Firefox"}, "$unset": ["$current_url"]}
    given(person(USER, "user", properties=PAGE)).when(event(sent), NOT_VOLATILE).then(
        (USER, changed({"$browser": "Firefox"}, PAGE, ["$current_url"])),
    )


def test_volatile_properties_are_stored_on_creation() -> None:
    user = new("user")
    given().when(event({"$set": {"$os": "iOS"}}), NOT_VOLATILE).then(
        (user, PersonCreated(**HERE, created_at=ARRIVED)),
        (user, DistinctIdAdded(**HERE, distinct_id="user")),
        (user, changed({"$os": "iOS"})),
    )
