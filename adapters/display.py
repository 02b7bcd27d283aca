"""How each list and report looks to people: which columns, in which words."""

from collections.abc import Iterable
from typing import Any

from ..domain.json_values import JsonObject
from . import narration, terminal
from .tables import columns

Rows = Iterable[JsonObject]
_MEBIBYTE = 1024 * 1024


def show_table(rows: Rows, shown: str, empty: str = "none") -> None:
    """Print rows as a table; see :func:`~.tables.columns` for how columns are told."""
    terminal.print_table(columns(*shown.split()), rows, empty=empty)


def show_history(events: Rows) -> None:
    """Print domain events of a person, each in words."""
    rows = (
        {
            "at": event["recorded_at"],
            "person": narration.short_id(event["person_id"]),
            "input": event["cause"]["position"],
            "what": narration.what_happened(event),
            "position": event["position"],
        }
        for event in events
    )
    show_table(rows, "position at? person input? what:text")


def show_merges(rows: Rows, *, refused_only: bool = False) -> None:
    """Print merges and refusals."""
    persons = ("survivor", "absorbed")
    short = ({**row, **{key: narration.short_id(row[key]) for key in persons}} for row in rows)
    shown = "position at? outcome reason own_id:id other_id:id"
    if refused_only:
        show_table(short, shown, "no refusals")
    else:
        show_table(short, f"{shown} survivor? absorbed?", "no merges")


def show_warnings(rows: Rows) -> None:
    """Print ingestion warnings."""
    told = (
        {
            **row,
            "input": row["position"],
            "details": narration.listed(row["details"], ("eventUuid",)),
        }
        for row in rows
    )
    show_table(told, "input received_at? type details:text", "no warnings")


def show_persons(rows: Rows) -> None:
    """Print persons, each distinct ID and each property on a line of its own."""
    told = (
        {
            "person": narration.short_id(each["person_id"]),
            "distinct_ids": tuple(each["distinct_ids"]),
            "identified": "yes" if each["is_identified"] else "no",
            "created_at": each["created_at"],
            "properties": narration.listed(each["properties"]),
        }
        for each in rows
    )
    show_table(told, "person distinct_ids:id identified? created_at? properties:text", "nobody")


def show_held(rows: Rows) -> None:
    """Print events being held."""
    told = ({**row, "input": row["position"]} for row in rows)
    show_table(told, "input uuid:id distinct_id:id due_at", "nothing is held")


def show_events(rows: Rows) -> None:
    """Print captured events."""
    told = (
        {**row, "input": row["position"], "person": narration.short_id(row["person_id"])}
        for row in rows
    )
    shown = "input timestamp event:text distinct_id:id status? person?"
    show_table(told, shown, "no captured events")


def show_verdict(found: JsonObject) -> None:
    """Print whether tables equal the log, and if not, what is different."""
    difference = found["first_difference"]
    if difference is None:
        terminal.print_facts({"equal": True})
        return
    known = ("projection", "project", "table", "key", "what", "message")
    facts = {name: difference[name] for name in known if name in difference}
    terminal.print_facts({"equal": False, **facts})
    stored, replayed = difference.get("stored"), difference.get("replayed")
    if "table" not in difference:
        return
    terminal.print_heading("The first difference")
    if stored is None or replayed is None:
        missing = "table" if stored is None else "log"
        terminal.print_text(f"The row is not in the {missing}:")
        terminal.print_facts(replayed or stored)
        return
    differing = [
        {"column": name, "stored": stored[name], "replayed": replayed[name]}
        for name in stored
        if stored[name] != replayed[name]
    ]
    show_table(differing, "column stored:text replayed:text")


def show_diagnosis(found: JsonObject) -> None:
    """Print what the doctor found, what is wrong last."""
    lists = ("projects", "projections", "imports", "problems")
    facts = {key: value for key, value in found.items() if key not in lists}
    facts["disk"] = {
        name.removesuffix("_bytes"): None if size is None else f"{size / _MEBIBYTE:,.1f} MiB"
        for name, size in found["disk"].items()
    }
    terminal.print_facts(facts)
    terminal.print_heading("Projects")
    show_table(found["projects"], "name:id inputs domain_events clock? held writer:text")
    outdated = [each for each in found["projections"] if each["state"] != "current"]
    terminal.print_heading("Projections")
    show_table(outdated, "name version stored_version state", "all up to date")
    if found["imports"]:
        terminal.print_heading("Imports under way, or interrupted: run those again to go on")
        show_table(found["imports"], "source:id lines_stored")
    terminal.print_heading("Problems")
    show_table(found["problems"], "what:text do:text")


def show_comparison(found: JsonObject) -> None:
    """Print how an export's grouping and ours agree."""
    terminal.print_facts({key: value for key, value in found.items() if key != "examples"})
    for kind, title in (
        ("joined", "One person here, several there"),
        ("split", "One person there, several here"),
    ):
        rows = [_folded(each) for each in found["examples"][kind]]
        if rows:
            terminal.print_heading(title)
            show_table(rows, "person:id others:id distinct_ids:id")


def _folded(example: JsonObject) -> JsonObject:
    others: Any = example.get("theirs") or example.get("ours")
    return {
        "person": example["person"],
        "others": tuple(others),
        "distinct_ids": tuple(example["distinct_ids"]),
    }


def show_schema(rows: Rows) -> None:
    """Print tables with the meaning of each column."""
    for table in rows:
        terminal.print_heading(f"{table['table']}: {table['meaning']}")
        show_table(table["columns"], "name type key? meaning:text")
