"""The command line: parse, call the engine, print. Every command is a few lines."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import click
import msgspec
from click.shell_completion import CompletionItem, get_completion_class

from . import __version__
from .adapters import display, terminal
from .adapters.file_import import Progress
from .adapters.formats.recognition import FORMATS, Format
from .adapters.formats.segment import AliasDirection, SegmentOptions
from .adapters.tables import printable
from .domain.errors import PersonlogError
from .domain.json_values import JsonObject, clean_text
from .domain.times import parse_time
from .engine import Engine
from .ingestion import ImportReport, IngestOptions, check_files
from .person_search import SORT_ORDERS, PersonSearch, SortOrder

DIFFERENCE = 3
"""Exit status of a check that found a difference."""

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, and nothing else.")


def examples(*commands: str) -> str:
    """Show commands at the end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  personlog {command}" for command in commands)


class Session:
    """What the options before the command say."""

    def __init__(self, db: str, project: str | None, debug: bool) -> None:
        self.db = clean_text(db)
        self.project = None if project is None else clean_text(project)
        self.debug = debug

    def open(self, *, create: bool = False) -> Engine:
        """Open the engine; it is closed when all is over, errors of the command included."""
        engine = Engine.open(self.db, create=create)
        click.get_current_context().find_root().call_on_close(engine.close)
        return engine


_BEFORE_THE_COMMAND = ("--db", "--project", "--debug")


class Commands(click.Group):
    """Turns the errors personlog knows into one sentence and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        failure = None
        try:
            return super().invoke(ctx)
        except PersonlogError as error:
            if ctx.params.get("debug"):
                raise
            failure = printable(str(error))
        except click.NoSuchOption as error:
            if error.option_name not in _BEFORE_THE_COMMAND:
                raise
            failure = (
                f"{error.option_name} stands before the command: personlog {error.option_name} ..."
            )
            raise click.UsageError(failure, error.ctx) from error
        except BrokenPipeError:
            terminal.forget_the_reader()
        # Not in the handlers: what the error's frames still read ends before the database closes.
        if failure is not None:
            raise click.ClickException(failure)
        return ctx.exit(0)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("demo", "ingest events.jsonl", "history alice"),
)
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
    if not debug:
        logging.getLogger("psycopg").addHandler(logging.NullHandler())  # errors are told once
    ctx.obj = Session(db, project, debug)


def _show(facts: JsonObject, json_: bool) -> None:
    terminal.print_json(facts) if json_ else terminal.print_facts(facts)


def _show_list(
    rows: Iterable[JsonObject], json_: bool, show: Callable[[Iterable[JsonObject]], None]
) -> None:
    terminal.print_json_lines(rows) if json_ else show(rows)


def _table(shown: str, empty: str = "none") -> Callable[[Iterable[JsonObject]], None]:
    return lambda rows: display.show_table(rows, shown, empty)


def _exit_unless(well: bool) -> None:
    if not well:
        click.get_current_context().exit(DIFFERENCE)


@main.command(epilog=examples("init", "--db sqlite:///shop.db init"))
@as_json
@click.pass_obj
def init(session: Session, json_: bool) -> None:
    """Make the database and its tables; leave what is there alone."""
    engine = session.open(create=True)
    _show({"db": engine.database.label}, json_)


@main.command(
    epilog=examples("ingest demo.jsonl", "ingest demo.jsonl --json", "ingest - < demo.jsonl")
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--strict", is_flag=True, help="Stop at the first line that is rejected.")
@click.option(
    "--clock",
    type=click.Choice(["virtual", "system"]),
    default="virtual",
    show_default=True,
    help="Take arrival times from the lines, or from the machine's clock and store each at once.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    show_default=True,
    help="Format of the lines; 'auto' goes by the first of them. Others than personlog's own are"
    " brought into order of arrival.",
)
@click.option(
    "--alias-direction",
    type=click.Choice(["segment", "rudderstack"]),
    default="segment",
    show_default=True,
    help="What 'alias' means in Segment's format: previousId joins userId, or the reverse.",
)
@click.option(
    "--link-on-track",
    is_flag=True,
    help="Segment's format: a 'track' that names both IDs links them, as an 'identify' would.",
)
@click.option(
    "--durability",
    type=click.Choice(["full", "normal"]),
    default="full",
    show_default=True,
    help="With 'normal' a crash of the machine may undo the last transactions; importing the file"
    " again makes up for them.",
)
@as_json
@click.pass_obj
def ingest(
    session: Session,
    files: tuple[str, ...],
    strict: bool,
    clock: str,
    format_: Format | Literal["auto"],
    alias_direction: AliasDirection,
    link_on_track: bool,
    durability: str,
    json_: bool,
) -> None:
    """Store captured events from JSON lines; '-' is standard input, .gz and .zst are unpacked.

    A second run over the same file adds nothing; an interrupted one goes on where it stopped.
    """
    check_files(files)
    engine = session.open(create=True)
    with terminal.progress_bar() as bar:

        def on_progress(at: Progress) -> None:
            bar.update(at.source, at.consumed, at.size, at.lines, "lines")

        options = IngestOptions(
            project=session.project,
            strict=strict,
            live=clock == "system",
            apart=True,
            durable=durability == "full",
            format=format_,
            segment=SegmentOptions(alias_direction, link_on_track),
            on_progress=on_progress,
            on_wait=lambda name: terminal.print_note(
                f"Waiting: another process is writing project {name!r}."
            ),
        )
        report = engine.ingest(files, options)
    _show_report(report, json_)


def _show_report(report: ImportReport, json_: bool) -> None:
    for note in report.notes:
        terminal.print_note(note)
    _show(report.counts, json_)


@main.command(epilog=examples("compare export.jsonl"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@as_json
@click.pass_obj
def compare(session: Session, files: tuple[str, ...], json_: bool) -> None:
    """Compare the persons of a PostHog export, of events or of persons, with those here.

    Exit status 3 if the IDs of the export are grouped differently.
    """
    found = session.open().compare(session.project, files)
    terminal.print_json(found) if json_ else display.show_comparison(found)
    _exit_unless(found["equal"])


@main.group()
def export() -> None:
    """Write everything as JSON lines."""


@export.command("persons", epilog=examples("export persons", "export persons | head -n 1"))
@click.pass_obj
def export_persons(session: Session) -> None:
    """Write every person, absorbed ones left out."""
    with session.open().read(session.project) as queries:
        terminal.print_json_lines(queries.persons())


@export.command("events", epilog=examples("export events", "export events --exclude-internal"))
@click.option("--exclude-internal", is_flag=True, help="Leave out events of internal users.")
@click.pass_obj
def export_events(session: Session, exclude_internal: bool) -> None:
    """Write every captured event by position, with the person it belongs to now."""
    with session.open().read(session.project) as queries:
        terminal.print_json_lines(queries.events(exclude_internal=exclude_internal))


@main.command(
    epilog=examples("person alice", "person alice --json", "person laptop-7f3a"),
)
@click.argument("wanted", metavar="ID")
@as_json
@click.pass_obj
def person(session: Session, wanted: str, json_: bool) -> None:
    """Show the person behind a distinct ID, or a person id or its last 12 digits."""
    with session.open().read(session.project) as queries:
        _show(queries.person(wanted), json_)


@main.command(
    epilog=examples(
        "persons", "persons --search alice", "persons --property plan=pro --sort created_at"
    )
)
@click.option(
    "--search", default="", metavar="TEXT", help="In distinct IDs, person ids and text properties."
)
@click.option(
    "--property",
    "wanted",
    multiple=True,
    metavar="KEY[=VALUE]",
    help="Having this property, or this value: JSON, else text. Can be given several times.",
)
@click.option(
    "--identified/--anonymous",
    default=None,
    help="Only identified persons, or only anonymous ones.",
)
@click.option("--sort", type=click.Choice(SORT_ORDERS), default="id", show_default=True)
@click.option("--desc", is_flag=True, help="In descending order.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, show_default=True)
@as_json
@click.pass_obj
def persons(
    session: Session,
    search: str,
    wanted: tuple[str, ...],
    identified: bool | None,
    sort: SortOrder,
    desc: bool,
    limit: int,
    offset: int,
    json_: bool,
) -> None:
    """List persons, page by page; by default in order of their first event."""
    pairs = [each.partition("=") for each in wanted]
    criteria = PersonSearch(
        text=search,
        properties={key: _value(text) for key, sign, text in pairs if sign},
        has=tuple(key for key, sign, _ in pairs if not sign),
        identified=identified,
        sort=sort,
        descending=desc,
        limit=limit + 1,
        offset=offset,
    )
    with session.open().read(session.project) as queries:
        found = list(queries.persons(criteria))
    _show_list(found[:limit], json_, display.show_persons)
    if len(found) > limit:
        terminal.print_note(f"There are more; --offset {offset + limit} shows the next ones.")


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


@main.command(epilog=examples("events alice", "events alice --json"))
@click.argument("wanted", metavar="ID")
@as_json
@click.pass_obj
def events(session: Session, wanted: str, json_: bool) -> None:
    """Show the captured events of a person, those of the persons it absorbed included."""
    with session.open().read(session.project) as queries:
        _show_list(queries.events_of(wanted), json_, display.show_events)


@main.command(epilog=examples("history alice", "history alice --json"))
@click.argument("wanted", metavar="ID")
@as_json
@click.pass_obj
def history(session: Session, wanted: str, json_: bool) -> None:
    """Show every domain event of a person and of those it absorbed, with its cause."""
    with session.open().read(session.project) as queries:
        _show_list(queries.history(wanted), json_, display.show_history)


@main.command(epilog=examples("merges", "merges --refused"))
@click.option("--refused", is_flag=True, help="Show refusals alone.")
@as_json
@click.pass_obj
def merges(session: Session, refused: bool, json_: bool) -> None:
    """Show every merge and every refusal with its reason."""
    with session.open().read(session.project) as queries:
        rows = queries.merges(refused_only=refused)
        _show_list(rows, json_, lambda found: display.show_merges(found, refused_only=refused))


@main.command(epilog=examples("warnings", "warnings --json"))
@as_json
@click.pass_obj
def warnings(session: Session, json_: bool) -> None:
    """Show every ingestion warning."""
    with session.open().read(session.project) as queries:
        _show_list(queries.warnings(), json_, display.show_warnings)


@main.group()
def rejected() -> None:
    """Lines that could not be read as captured events."""


@rejected.command("list", epilog=examples("rejected list", "rejected list --json"))
@as_json
@click.pass_obj
def rejected_list(session: Session, json_: bool) -> None:
    """Show every rejected line with its reason."""
    rows = session.open().rejected(session.project)
    if not json_:
        rows = ({**row, "raw": row["raw"][:200]} for row in rows)
    _show_list(rows, json_, _table("source:id line reason raw:text", "nothing was rejected"))


@main.group()
def buffer() -> None:
    """Captured events that wait for a late identify."""


@buffer.command("list", epilog=examples("buffer list", "buffer list --json"))
@as_json
@click.pass_obj
def buffer_list(session: Session, json_: bool) -> None:
    """Show every event being held, by due time."""
    with session.open().read(session.project) as queries:
        _show_list(queries.held(), json_, display.show_held)


@buffer.command("status", epilog=examples("buffer status"))
@as_json
@click.pass_obj
def buffer_status(session: Session, json_: bool) -> None:
    """Show how many events are held, and until when."""
    with session.open().read(session.project) as queries:
        _show(queries.buffer_status(), json_)


@buffer.command(
    "release",
    epilog=examples("buffer release --all", "buffer release --until 2026-03-02T15:00:00Z"),
)
@click.option("--until", metavar="TIME", help="Advance the clock to this time.")
@click.option("--all", "all_", is_flag=True, help="Advance it until the last held event is due.")
@as_json
@click.pass_obj
def buffer_release(session: Session, until: str | None, all_: bool, json_: bool) -> None:
    """Advance the project's clock, so that held events that fall due are processed."""
    if (until is None) != all_:
        raise click.UsageError("Say either --until TIME or --all.")
    moment = parse_time(until)
    if until is not None and moment is None:
        raise click.UsageError(f"--until {until!r} is not a time; write 2026-01-01T12:00:00Z.")
    engine = session.open()
    released = engine.release_buffer(session.project, moment)
    _show({"released": released}, json_)
    if not released:
        with engine.read(session.project) as queries:
            clock = queries.buffer_status()["clock"]
        terminal.print_note(f"Nothing fell due; the project's clock stands at {clock}.")


@main.group()
def rules() -> None:
    """The rules of a project."""


@rules.command("show", epilog=examples("rules show", "rules show --json"))
@as_json
@click.pass_obj
def rules_show(session: Session, json_: bool) -> None:
    """Show the rules in force."""
    with session.open().read(session.project) as queries:
        _show(queries.rules(), json_)


@rules.command("set", epilog=examples("rules set buffer_seconds=0", "rules set name=strict"))
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@as_json
@click.pass_obj
def rules_set(session: Session, changes: tuple[str, ...], json_: bool) -> None:
    """Change rules from here on; what was decided before stays as it is.

    A VALUE is JSON, else text.
    """
    wanted: JsonObject = {}
    for key, value in map(_assignment, changes):
        if key in wanted:
            raise click.UsageError(f"{key!r} is given twice.")
        wanted[key] = value
    _show(session.open(create=True).set_rules(session.project, wanted), json_)


def _assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"{text!r} is not of the form KEY=VALUE.")
    return key, _value(value)


@main.group()
def projections() -> None:
    """Lookup tables: folds of the domain log."""


def _complete_projection(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    names = [str(each["name"]) for each in Engine.projection_catalogue()]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


projection_names = click.argument(
    "names", nargs=-1, metavar="[NAME]...", shell_complete=_complete_projection
)
all_names = click.option("--all", "all_", is_flag=True, help="Every projection (the default).")


def _names(names: tuple[str, ...], all_: bool) -> tuple[str, ...]:
    if names and all_:
        raise click.UsageError("Say either names or --all.")
    return names


@projections.command("list", epilog=examples("projections list"))
@as_json
def projections_list(json_: bool) -> None:
    """Show the projections this version of personlog has; no database is read."""
    _show_list(Engine.projection_catalogue(), json_, _table("name version mode tables:text"))


@projections.command("status", epilog=examples("projections status"))
@as_json
@click.pass_obj
def projections_status(session: Session, json_: bool) -> None:
    """Show how far each projection has come."""
    rows = session.open().projections.status(session.project)
    shown = "name version mode? position head lag state last_error:text"
    _show_list(rows, json_, _table(shown, "no projects yet"))


@projections.command(
    "rebuild", epilog=examples("projections rebuild --all", "projections rebuild merges")
)
@projection_names
@all_names
@as_json
@click.pass_obj
def projections_rebuild(session: Session, names: tuple[str, ...], all_: bool, json_: bool) -> None:
    """Fold the log into emptied tables, of every project unless one is given."""
    wanted = _names(names, all_)
    with terminal.progress_bar() as bar:
        rows = session.open().projections.rebuild(
            session.project, wanted, lambda at, of: bar.update("rebuild", at, of, at, "events")
        )
    _show_list(rows, json_, _table("project:id domain_events projections:text", "no projects yet"))


@projections.command(
    "verify", epilog=examples("projections verify --all", "projections verify persons --json")
)
@projection_names
@all_names
@as_json
@click.pass_obj
def projections_verify(session: Session, names: tuple[str, ...], all_: bool, json_: bool) -> None:
    """Prove that tables equal a fold of the log; exit status 3 and the first difference if not."""
    wanted = _names(names, all_)
    with terminal.progress_bar() as bar:
        found = session.open().projections.verify(
            session.project, wanted, lambda at, of: bar.update("verify", at, of, at, "events")
        )
    terminal.print_json(found) if json_ else display.show_verdict(found)
    _exit_unless(found["equal"])


@main.command(epilog=examples("replay", "replay --json"))
@as_json
@click.pass_obj
def replay(session: Session, json_: bool) -> None:
    """Fold the log in memory and compare with the stored persons, writing nothing."""
    with terminal.progress_bar() as bar:
        found = session.open().projections.replay(
            session.project, lambda at, of: bar.update("replay", at, of, at, "events")
        )
    terminal.print_json(found) if json_ else display.show_verdict(found)
    _exit_unless(found["equal"])


@main.command(epilog=examples("digest", "digest --json"))
@as_json
@click.pass_obj
def digest(session: Session, json_: bool) -> None:
    """Print hashes of a project's persons and of its log: equal wherever the same was decided."""
    _show(session.open().digest(session.project), json_)


@main.group()
def project() -> None:
    """Projects: separate worlds of IDs in one database."""


@project.command("create", epilog=examples("project create shop", "project create b --token phc_b"))
@click.argument("name")
@click.option("--token", help="The token that senders use; a random one unless given.")
@as_json
@click.pass_obj
def project_create(session: Session, name: str, token: str | None, json_: bool) -> None:
    """Make a project."""
    _show(session.open(create=True).create_project(name, token), json_)


@project.command("list", epilog=examples("project list"))
@as_json
@click.pass_obj
def project_list(session: Session, json_: bool) -> None:
    """Show every project and how far it has come."""
    rows = session.open().list_projects()
    shown = "name:id token:id? inputs domain_events clock"
    _show_list(rows, json_, _table(shown, "no projects yet"))


@main.command(epilog=examples("doctor", "doctor --deep"))
@click.option("--deep", is_flag=True, help="Also let SQLite check the structure of its file.")
@as_json
@click.pass_obj
def doctor(session: Session, deep: bool, json_: bool) -> None:
    """Check the database; exit status 3 if there are problems, each with what to do."""
    found = session.open().diagnose(session.project, deep=deep)
    terminal.print_json(found) if json_ else display.show_diagnosis(found)
    _exit_unless(not found["problems"])


@main.command(epilog=examples("schema", "schema --json"))
@as_json
def schema(json_: bool) -> None:
    """Show the tables this version of personlog makes, and what they mean; no database is read."""
    _show_list(Engine.describe_tables(), json_, display.show_schema)


@main.command(
    epilog=examples("completion bash >> ~/.bashrc", "completion fish | source"),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell completion script."""
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - the choice above names what click has
    click.echo(found(main, {}, "personlog", "_PERSONLOG_COMPLETE").source())


@main.command(epilog=examples("demo"))
def demo() -> None:
    """Import a small shipped history into a temporary database and show what came of it."""
    # Loaded here alone: every other command starts sooner.
    import tempfile  # noqa: PLC0415
    from importlib import resources  # noqa: PLC0415

    source = resources.files(__package__) / "demo.jsonl"
    with (
        tempfile.TemporaryDirectory() as folder,
        resources.as_file(source) as file,
        Engine.open(f"sqlite:///{Path(folder) / 'demo.db'}", create=True) as engine,
    ):
        report = engine.ingest([str(file)])
        terminal.print_heading("Imported a small history: what became of its lines")
        terminal.print_facts(report.counts)
        with engine.read(None) as queries:
            terminal.print_heading("The persons behind its IDs")
            display.show_persons(queries.persons())
            terminal.print_heading("Which persons were merged, which merges were refused, and why")
            display.show_merges(queries.merges())
            terminal.print_heading("What the senders should be told")
            display.show_warnings(queries.warnings())
            terminal.print_heading("Lines that are not captured events")
            display.show_table(engine.rejected(None), "line reason raw:text")
            terminal.print_heading("How alice came to be who she is")
            display.show_history(queries.history("alice"))
        verdict = engine.projections.verify(None, ())
        terminal.print_heading("Every table compared with a replay of the log")
        display.show_verdict(verdict)
