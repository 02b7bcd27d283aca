"""The command line: parse, call the engine, print. Every command is a few lines."""

import sys
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import click
import msgspec

from . import __version__
from .adapters import narration, terminal
from .adapters.file_import import Progress
from .adapters.tables import columns, printable
from .domain.errors import InvalidRules, PersonlogError
from .domain.json_values import JsonObject
from .domain.times import parse_time
from .engine import Engine, ImportReport

DIFFERENCE = 3
"""Exit status of a check that found a difference."""

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, and nothing else.")


class Session:
    """What the options before the command say."""

    def __init__(self, db: str, project: str | None, debug: bool) -> None:
        self.db = db
        self.project = project
        self.debug = debug

    def open(self, *, create: bool = False) -> Engine:
        """Open the engine; the context of the command closes it."""
        engine = Engine.open(self.db, create=create)
        click.get_current_context().call_on_close(engine.close)
        return engine


class Commands(click.Group):
    """Turns the errors personlog knows into one sentence and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except PersonlogError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(printable(str(error))) from error
        except BrokenPipeError:
            sys.stderr.close()  # the reader has gone: nobody is left to tell
            ctx.exit(0)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--db",
    envvar="PERSONLOG_DB",
    default="sqlite:///personlog.db",
    show_default=True,
    help="Database URL: sqlite:///FILE or postgresql://USER@HOST/NAME. Also PERSONLOG_DB.",
)
@click.option("--project", help="Project; 'default' unless given, or the only one there is.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, db: str, project: str | None, debug: bool) -> None:
    """Which person is behind this ID, and why?"""
    terminal.show_what_the_terminal_can()
    ctx.obj = Session(db, project, debug)


@main.command()
@as_json
@click.pass_obj
def init(session: Session, json_: bool) -> None:
    """Make the database and its tables; leave what is there alone."""
    engine = session.open(create=True)
    _show({"db": engine.database.label}, json_)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--strict", is_flag=True, help="Stop at the first line that is rejected.")
@click.option(
    "--clock",
    type=click.Choice(["virtual", "system"]),
    default="virtual",
    show_default=True,
    help="Whose time lines arrive at: their own, or the machine's, each stored at once.",
)
@as_json
@click.pass_obj
def ingest(session: Session, files: tuple[str, ...], strict: bool, clock: str, json_: bool) -> None:
    """Store captured events from JSON lines; '-' is standard input, .gz and .zst are unpacked.

    A second run over the same file adds nothing; an interrupted one goes on where it stopped.
    """
    engine = session.open(create=True)
    with terminal.progress_bar() as bar:

        def on_progress(at: Progress) -> None:
            bar.update(at.source, at.consumed, at.size, at.lines, "lines")

        report = engine.ingest(
            files,
            project=session.project,
            strict=strict,
            live=clock == "system",
            on_progress=on_progress,
            on_wait=lambda name: terminal.print_note(
                f"Waiting: another process is writing project {name!r}."
            ),
        )
    _show_report(report, json_)


def _show_report(report: ImportReport, json_: bool) -> None:
    for note in report.notes:
        terminal.print_note(note)
    _show(report.counts, json_)


def _show(facts: JsonObject, json_: bool) -> None:
    terminal.print_json(facts) if json_ else terminal.print_facts(facts)


def _show_list(rows: Iterable[JsonObject], shown: str, json_: bool, empty: str) -> None:
    if json_:
        terminal.print_json_lines(rows)
    else:
        terminal.print_table(columns(*shown.split()), rows, empty=empty)


@main.group()
def export() -> None:
    """Write everything as JSON lines."""


@export.command("persons")
@click.pass_obj
def export_persons(session: Session) -> None:
    """Write every person, absorbed ones left out."""
    with session.open().read(session.project) as queries:
        terminal.print_json_lines(queries.persons())


@export.command("events")
@click.option("--exclude-internal", is_flag=True, help="Leave out events of internal users.")
@click.pass_obj
def export_events(session: Session, exclude_internal: bool) -> None:
    """Write every captured event by position, with the person it belongs to now."""
    with session.open().read(session.project) as queries:
        terminal.print_json_lines(queries.events(exclude_internal=exclude_internal))


@main.command()
@click.argument("wanted", metavar="ID")
@as_json
@click.pass_obj
def person(session: Session, wanted: str, json_: bool) -> None:
    """Show the person behind a distinct ID, or a person id (person:UUID)."""
    with session.open().read(session.project) as queries:
        _show(queries.person(wanted), json_)


@main.command()
@click.argument("wanted", metavar="ID")
@as_json
@click.pass_obj
def history(session: Session, wanted: str, json_: bool) -> None:
    """Show every domain event of a person and of those it absorbed, with its cause."""
    with session.open().read(session.project) as queries:
        events = queries.history(wanted)
        terminal.print_json_lines(events) if json_ else _show_history(events)


def _show_history(events: Iterable[JsonObject]) -> None:
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
    _show_list(rows, "position at? person input? what:text", json_=False, empty="none")


@main.command()
@click.option("--refused", is_flag=True, help="Show refusals alone.")
@as_json
@click.pass_obj
def merges(session: Session, refused: bool, json_: bool) -> None:
    """Show every merge and every refusal with its reason."""
    with session.open().read(session.project) as queries:
        rows = queries.merges(refused_only=refused)
        if json_:
            terminal.print_json_lines(rows)
        else:
            _show_merges(rows, refused=refused)


def _show_merges(rows: Iterable[JsonObject], *, refused: bool = False) -> None:
    short = ({**row, **{key: narration.short_id(row[key]) for key in _PERSONS}} for row in rows)
    shown = "position at? outcome reason own_id:id other_id:id"
    if refused:
        _show_list(short, shown, json_=False, empty="no refusals")
    else:
        _show_list(short, f"{shown} survivor? absorbed?", json_=False, empty="no merges")


_PERSONS = ("survivor", "absorbed")


@main.command()
@as_json
@click.pass_obj
def warnings(session: Session, json_: bool) -> None:
    """Show every ingestion warning."""
    with session.open().read(session.project) as queries:
        rows = queries.warnings()
        terminal.print_json_lines(rows) if json_ else _show_warnings(rows)


def _show_warnings(rows: Iterable[JsonObject]) -> None:
    told = ({**row, "details": narration.listed(row["details"], ("eventUuid",))} for row in rows)
    _show_list(told, "position received_at? type details:text", json_=False, empty="no warnings")


@main.group()
def rejected() -> None:
    """Lines that could not be read as captured events."""


@rejected.command("list")
@as_json
@click.pass_obj
def rejected_list(session: Session, json_: bool) -> None:
    """Show every rejected line with its reason."""
    rows = session.open().rejected(session.project)
    if not json_:
        rows = ({**row, "raw": row["raw"][:200]} for row in rows)
    _show_list(rows, "source:id line reason raw:text", json_, "nothing was rejected")


@main.group()
def buffer() -> None:
    """Captured events that wait for a late identify."""


@buffer.command("list")
@as_json
@click.pass_obj
def buffer_list(session: Session, json_: bool) -> None:
    """Show every event being held, by due time."""
    with session.open().read(session.project) as queries:
        rows = queries.held()
        _show_list(rows, "position uuid:id distinct_id:id due_at", json_, "nothing is held")


@buffer.command("release")
@click.option("--until", metavar="TIME", help="Let the project's clock go on to this moment.")
@click.option("--all", "all_", is_flag=True, help="Let it go on until the last event is due.")
@as_json
@click.pass_obj
def buffer_release(session: Session, until: str | None, all_: bool, json_: bool) -> None:
    """Let time pass, so that events that fall due are processed."""
    if (until is None) != all_:
        raise click.UsageError("Say either --until TIME or --all.")
    moment = parse_time(until)
    if until is not None and moment is None:
        raise click.UsageError(f"--until {until!r} is no time; write 2026-01-01T12:00:00Z.")
    _show({"released": session.open().release_buffer(session.project, moment)}, json_)


@main.group()
def rules() -> None:
    """The rules of a project."""


@rules.command("show")
@as_json
@click.pass_obj
def rules_show(session: Session, json_: bool) -> None:
    """Show the rules in force."""
    with session.open().read(session.project) as queries:
        _show(queries.rules(), json_)


@rules.command("set")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=JSON...")
@as_json
@click.pass_obj
def rules_set(session: Session, changes: tuple[str, ...], json_: bool) -> None:
    """Change rules from here on, as in: rules set buffer_seconds=0 'name="strict"'."""
    wanted = dict(map(_assignment, changes))
    _show(session.open(create=True).set_rules(session.project, wanted), json_)


def _assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"{text!r} is no KEY=JSON.")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise InvalidRules(
            f"The value of {text!r} is no JSON; write numbers and true or false plainly, and texts"
            " in double quotes inside single ones: 'name=\"strict\"'."
        ) from None


@main.group()
def projections() -> None:
    """Lookup tables: folds of the domain log."""


projection_names = click.argument("names", nargs=-1, metavar="[NAME]...")
all_names = click.option("--all", "all_", is_flag=True, help="Every projection (the default).")


def _names(names: tuple[str, ...], all_: bool) -> tuple[str, ...]:
    if names and all_:
        raise click.UsageError("Say either names or --all.")
    return names


@projections.command("list")
@as_json
@click.pass_obj
def projections_list(session: Session, json_: bool) -> None:
    """Show the projections there are."""
    rows = session.open().projections.catalogue()
    _show_list(rows, "name version mode tables:text", json_, "none")


@projections.command("status")
@as_json
@click.pass_obj
def projections_status(session: Session, json_: bool) -> None:
    """Show how far each projection has come."""
    rows = session.open().projections.status(session.project)
    shown = "name version mode? position head lag state last_error:text"
    _show_list(rows, shown, json_, "no projects yet")


@projections.command("rebuild")
@projection_names
@all_names
@as_json
@click.pass_obj
def projections_rebuild(
    session: Session,
    names: tuple[str, ...],
    all_: bool,
    json_: bool,
) -> None:
    """Fold the log into emptied tables, of every project unless one is given."""
    wanted = _names(names, all_)
    with terminal.progress_bar() as bar:
        rows = session.open().projections.rebuild(
            session.project, wanted, lambda at, of: bar.update("rebuild", at, of, at, "events")
        )
    _show_list(rows, "project:id domain_events projections:text", json_, "no projects yet")


@projections.command("verify")
@projection_names
@all_names
@as_json
@click.pass_obj
def projections_verify(
    session: Session,
    names: tuple[str, ...],
    all_: bool,
    json_: bool,
) -> None:
    """Prove that tables equal a fold of the log; exit status 3 and the first difference if not."""
    wanted = _names(names, all_)
    with terminal.progress_bar() as bar:
        found = session.open().projections.verify(
            session.project, wanted, lambda at, of: bar.update("verify", at, of, at, "events")
        )
    _show_verdict(found, json_)


@main.command()
@as_json
@click.pass_obj
def replay(session: Session, json_: bool) -> None:
    """Fold the log in memory and compare with the stored persons, writing nothing."""
    with terminal.progress_bar() as bar:
        found = session.open().projections.replay(
            session.project, lambda at, of: bar.update("replay", at, of, at, "events")
        )
    _show_verdict(found, json_)


def _show_verdict(found: JsonObject, json_: bool) -> None:
    if json_ or not found["equal"]:
        _show(found, json_)
    else:
        _show({"equal": True}, json_)
    if not found["equal"]:
        click.get_current_context().exit(DIFFERENCE)


@main.command()
@as_json
@click.pass_obj
def digest(session: Session, json_: bool) -> None:
    """Print the digests of a project's persons and of its log, equal on every machine."""
    _show(session.open().digest(session.project), json_)


@main.group()
def project() -> None:
    """Projects: separate worlds of IDs in one database."""


@project.command("create")
@click.argument("name")
@click.option("--token", help="The token that senders use; a random one unless given.")
@as_json
@click.pass_obj
def project_create(session: Session, name: str, token: str | None, json_: bool) -> None:
    """Make a project."""
    _show(session.open(create=True).create_project(name, token), json_)


@project.command("list")
@as_json
@click.pass_obj
def project_list(session: Session, json_: bool) -> None:
    """Show every project and how far it has come."""
    rows = session.open().list_projects()
    _show_list(rows, "name:id token:id? inputs domain_events clock", json_, "no projects yet")


@main.command()
def demo() -> None:
    """Import a small shipped history into a temporary database and show what came of it."""
    source = resources.files(__package__) / "demo.jsonl"
    with (
        tempfile.TemporaryDirectory() as folder,
        resources.as_file(source) as file,
        Engine.open(f"sqlite:///{Path(folder) / 'demo.db'}", create=True) as engine,
    ):
        report = engine.ingest([str(file)])
        _heading("Imported a small history: what became of its lines")
        terminal.print_facts(report.counts)
        with engine.read(None) as queries:
            _heading("The persons behind its IDs")
            persons = (
                {
                    "person": narration.short_id(each["person_id"]),
                    "distinct_ids": narration.joined(each["distinct_ids"]).replace(", ", "\n"),
                    "identified": "yes" if each["is_identified"] else "no",
                    "created_at": each["created_at"],
                    "properties": narration.listed(each["properties"]),
                }
                for each in queries.persons()
            )
            shown = "person distinct_ids:id identified? created_at? properties:text"
            _show_list(persons, shown, json_=False, empty="")
            _heading("Which persons were merged, which merges were refused, and why")
            _show_merges(queries.merges())
            _heading("What the senders should be told")
            _show_warnings(queries.warnings())
            _heading("Lines that are no captured events")
            rows = engine.rejected(None)
            _show_list(rows, "line reason raw:text", json_=False, empty="none")
            _heading("How alice came to be who she is")
            _show_history(queries.history("alice"))
        verdict = engine.projections.verify(None, ())
        _heading("Every table compared with a replay of the log")
        terminal.print_facts(verdict)


def _heading(text: str) -> None:
    terminal.print_heading(text)
