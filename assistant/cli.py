"""The command line: data on stdout, progress and notes on stderr, errors as one line with an exit code.

Exit codes: 0 done, 1 a check failed (eval, calibrate, doctor), 2 wrong usage or input, 3 it could not be done.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from assistant import __version__
from assistant.errors import AssistantError, IndexBusy, IndexMismatch, InvalidSetting, SourceMissing

if TYPE_CHECKING:
    from assistant.assistant import Assistant
    from assistant.doctor import Checkup
    from assistant.evaluation.baseline import Comparison
    from assistant.evaluation.calibrating import Fitted
    from assistant.evaluation.report import Report
    from assistant.evaluation.verdict import Verdict
    from assistant.schema import Answer, Article, Hit, SyncReport
    from assistant.sync import Progress
    from assistant.watching import Round

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _filters(command: Any) -> Any:
    for option in (
        click.option("--source", help="Only articles of this outlet."),
        click.option("--until", metavar="DAY", help="Only articles published on or before YYYY-MM-DD."),
        click.option("--since", metavar="DAY", help="Only articles published on or after YYYY-MM-DD."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--corpus", type=click.Path(), help="Folder of articles (or ASSISTANT_CORPUS).")
@click.option("--index", type=click.Path(), help="Folder of the index (or ASSISTANT_INDEX).")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(__version__, prog_name="assistant")
@click.pass_context
def cli(context: click.Context, corpus: str | None, index: str | None, debug: bool) -> None:  # noqa: FBT001
    """Ask questions of an article corpus; get cited answers."""
    context.obj = {"corpus": corpus, "index": index, "debug": debug}


@cli.command()
@click.argument("sources", nargs=-1)
@click.option("--forget", multiple=True, metavar="SOURCE", help="Remove a source named before, and its articles.")
@click.option(
    "--map",
    "columns",
    metavar="FIELD=COLUMN,…",
    help="The columns of an export: title=headline,text=body. Remembered.",
)
@click.option("--allow-private", is_flag=True, help="Let these addresses lie in private networks. Remembered.")
@click.option("--rebuild", is_flag=True, help="Split and index everything anew, with the models asked for now.")
@click.option("--watch", is_flag=True, help="Go on: sync files when they change, web sources every so often.")
@click.option(
    "--every", type=click.FloatRange(1, 10_080), metavar="MINUTES", help="With --watch: between two polls (default 30)."
)
@_JSON
@click.pass_obj
def sync(
    options: dict[str, Any],
    /,
    sources: tuple[str, ...],
    columns: str | None,
    *,
    watch: bool,
    every: float | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Bring the index up to date with SOURCES: folders, files, patterns, exports, addresses of pages, feeds, sitemaps.

    Without any: all that were named before, or the corpus. With --watch it goes on until it is stopped (Ctrl-C), and
    prints a line whenever something has changed.
    """
    from assistant.sources import parse_mapping

    if every and not watch:
        raise click.UsageError("--every goes with --watch")
    mapping = parse_mapping(columns) if columns else None
    with _stopped_quietly(really=watch), _assistant(options) as assistant:
        with _progress() as progress:
            report = assistant.sync(sources, mapping=mapping, progress=progress, **wanted)
        _print_json(report.to_dict(), compact=watch) if as_json else _print_report(report)
        if watch:
            _watch(assistant, 60 * (every or 30), as_json=as_json)
        _require_articles(report, assistant)
    if report.count("failed") and not watch:
        sys.exit(3)


@cli.command()
@click.argument("question")
@_filters
@_JSON
@click.pass_obj
def ask(
    options: dict[str, Any], question: str, since: str | None, until: str | None, source: str | None, *, as_json: bool
) -> None:
    """Answer QUESTION with citations, or say that the articles do not."""
    with _indexed(options) as assistant:
        answer = assistant.ask(question, since=since, until=until, source=source)
    if as_json:
        _print_json(answer.to_dict())
    else:
        _print_answer(answer)


@cli.command()
@click.argument("query")
@click.option("--limit", default=10, show_default=True, help="How many passages at most.")
@_filters
@_JSON
@click.pass_obj
def search(
    options: dict[str, Any],
    query: str,
    limit: int,
    since: str | None,
    until: str | None,
    source: str | None,
    *,
    as_json: bool,
) -> None:
    """Print the passages nearest to QUERY."""
    with _indexed(options) as assistant:
        hits = assistant.search(query, limit, since=since, until=until, source=source)
    if as_json:
        _print_json([hit.to_dict() for hit in hits])
        return
    for number, hit in enumerate(hits, 1):
        click.echo(f"{number}. {_heading(hit.article)}  ({hit.score:.2f})")
        click.echo(f"   {' '.join(hit.text.split())}\n")
    if not hits:
        click.echo("No passage matches.", err=True)


@cli.command("list")
@_JSON
@click.pass_obj
def list_(options: dict[str, Any], *, as_json: bool) -> None:
    """List the articles, newest first."""
    with _indexed(options) as assistant:
        articles = assistant.articles()
    if as_json:
        _print_json([article.to_dict() for article in articles])
        return
    width = max((len(article.id) for article in articles), default=0)
    for article in articles:
        click.echo(f"{article.day or 'no date   '}  {article.id:<{width}}  {article.title}")
    click.echo(f"{len(articles)} articles", err=True)


@cli.command()
@_JSON
@click.pass_obj
def sources(options: dict[str, Any], *, as_json: bool) -> None:
    """List the sources that a bare sync refreshes."""
    with _assistant(options) as assistant:
        found = assistant.sources()
    if as_json:
        _print_json([source.to_dict() for source in found])
        return
    for source in found:
        when = f"{source.synced:%Y-%m-%d %H:%M} UTC" if source.synced else "not yet"
        noted = [", ".join(f"{name}={column}" for name, column in source.mapping.items())]
        noted.append("private addresses allowed" if source.allow_private else "")
        notes = "".join(f"  ({note})" for note in noted if note)
        click.echo(f"{source.kind:<8} {source.articles:>6}  {when:<20}  {source.place}{notes}")
    click.echo(f"{len(found)} sources", err=True)


@cli.command()
@click.argument("article_id", metavar="ID")
@_JSON
@click.pass_obj
def show(options: dict[str, Any], article_id: str, *, as_json: bool) -> None:
    """Print the article ID (its id, the beginning of it, or its file name)."""
    with _indexed(options) as assistant:
        article = assistant.article(article_id)
    if as_json:
        _print_json(
            {**article.to_dict(), "language": article.language, "licence": article.licence, "text": article.text}
        )
        return
    click.echo(_heading(article))
    updated = article.updated and f"updated {article.updated}"
    fetched = article.fetched and f"fetched {article.fetched}"
    byline = article.author and f"by {article.author}"
    for line in (byline, updated, fetched, article.url, article.location, article.licence):
        if line:
            click.echo(line)
    click.echo(f"\n{article.text}")


@cli.command()
@_JSON
@click.pass_obj
def status(options: dict[str, Any], *, as_json: bool) -> None:
    """Say what is indexed, from where, and with which models."""
    with _assistant(options) as assistant:
        found = assistant.status()
    if as_json:
        _print_json(found)
        return
    click.echo(f"{found['articles']} articles, {found['passages']} passages, generation {found['generation']}")
    click.echo(f"index     {found['index']}")
    for key, path in found["sources"].items():
        click.echo(f"{'corpus' if key == 'corpus' else 'source':<9} {path}")
    for part, value in found["built_with"].items():
        click.echo(f"{part:<9} {value}" if len(part) < 10 else f"{part} {value}")
    click.echo(f"reader    {found['reader']}")
    click.echo(f"confidence {found['calibration']}")


@cli.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended; no article is lost by it.")
@_JSON
@click.pass_obj
def doctor(options: dict[str, Any], *, fix: bool, as_json: bool) -> None:
    """Say what is wrong with the index, its sources and its models, each with the command that mends it.

    Fails (exit code 1) if anything is wrong, or with --fix, if anything still is. Without --fix nothing is changed.
    """
    from assistant import doctor as doctors
    from assistant.settings import Settings

    settings = Settings.load(options["corpus"], options["index"])
    if fix:
        with _progress() as progress:
            checkup = doctors.mend(settings, progress=progress)
    else:
        checkup = doctors.examine(settings)
    _print_json(checkup.to_dict()) if as_json else _print_checkup(checkup)
    if checkup.findings:
        sys.exit(1)


@cli.command("eval")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path())
@_JSON
@click.option("--html", metavar="FILE", type=click.Path(), help="Write a page that shows every case.")
@click.option("--junit", metavar="FILE", type=click.Path(), help="Write JUnit XML, for build servers.")
@click.option("--save", metavar="FILE", type=click.Path(), help="Write a baseline for later runs.")
@click.option("--baseline", metavar="FILE", type=click.Path(), help="Compare with a saved baseline.")
@click.option("--max-regressions", metavar="N", type=click.IntRange(0), help="Pass with N regressions (default 0).")
@click.option("--force", is_flag=True, help="Compare with a baseline of another corpus.")
@click.option("--fail-under", metavar="LIMITS", default="", help="Fail below, as answer=.9,hit@5=.95,tag:short=.6.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Try a setting, as read=12.")
@click.option("--init", "draft", metavar="FILE", type=click.Path(), help="Draft cases from the articles, to review.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of case files, for editors.")
@click.pass_obj
def eval_(options: dict[str, Any], /, files: tuple[str, ...], **wanted: Any) -> None:
    """Run the cases of FILES: questions with the answers that are expected.

    Fails (exit code 1) on a regression against --baseline and below a limit of --fail-under; with neither, and
    without --save, if any case fails. With both --save and --baseline, only a run that passes is saved. The index is
    brought up to date first. For brier, ece, p50 and p95 a limit is a ceiling.
    """
    if wanted["schema"]:
        from assistant.evaluation.cases import schema

        _print_json(schema())
    elif wanted["draft"]:
        _draft(options, wanted["draft"], files)
    else:
        sys.exit(_evaluate(options, files, **wanted))


@cli.command()
@click.argument("files", nargs=-1, type=click.Path())
@click.option(
    "--max-error",
    type=click.FloatRange(0.001, 0.5),
    metavar="SHARE",
    help="Answer only what keeps wrong answers under this share, with 95 % confidence, as 0.1.",
)
@click.option("--reset", is_flag=True, help="Go back to the calibration that was shipped.")
@_JSON
@click.pass_obj
def calibrate(
    options: dict[str, Any], files: tuple[str, ...], *, max_error: float | None, reset: bool, as_json: bool
) -> None:
    """Fit the confidence to the cases of FILES, so that it comes true on your articles and questions.

    The index is brought up to date first. The fit is kept in it, for the reader in use. Fails (exit code 1) if
    --max-error cannot be promised, and then changes nothing.
    """
    if reset == bool(files) or (reset and max_error):
        raise click.UsageError("name files of cases, or --reset alone")
    if reset:
        with _assistant(options) as assistant:
            assistant.calibrate(None)
        _print_json({"calibration": "as shipped"}) if as_json else click.echo("The confidence is as shipped.")
        return
    from assistant.evaluation.calibrating import fit, observe
    from assistant.evaluation.cases import load_cases

    cases = load_cases(*files)
    with _indexed(options, up_to_date=True) as assistant:
        with _progress() as progress:
            asked = observe(assistant, cases, progress)
        fitted = fit(asked, assistant.calibration, max_error)
        if fitted.calibration:
            assistant.calibrate(fitted.calibration)
    if as_json:
        _print_json(fitted.to_dict())
    else:
        _print_fitted(fitted, max_error)
    if not fitted.calibration:
        sys.exit(1)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--open/--no-open", "open_browser", default=False, help="Open the page in a browser.")
@click.pass_obj
def chat(options: dict[str, Any], host: str, port: int, *, open_browser: bool) -> None:
    """Serve the chat page."""
    with _indexed(options, up_to_date=True) as assistant:
        from assistant.server import serve

        serve(assistant, host, port, open_browser=open_browser, announce=lambda line: click.echo(line, err=True))


def main() -> None:
    """Entry point: typed errors become one line and an exit code."""
    debug = "--debug" in sys.argv
    try:
        cli.main(standalone_mode=False)
    except AssistantError as error:
        if debug:
            raise
        click.echo(f"assistant: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


# -- shared by the commands --------------------------------------------------------------------------------------


@contextmanager
def _assistant(options: dict[str, Any], changes: tuple[str, ...] = ()) -> Iterator[Assistant]:
    """With the settings changed as NAME=VALUE says."""
    from assistant.assistant import Assistant
    from assistant.settings import Settings

    settings = Settings.load(options["corpus"], options["index"])
    for change in changes:
        settings = settings.changed(change)
    with Assistant.open(settings=settings) as assistant:
        yield assistant


@contextmanager
def _indexed(
    options: dict[str, Any], changes: tuple[str, ...] = (), *, up_to_date: bool = False
) -> Iterator[Assistant]:
    """An assistant with an index: made now if there is none yet; with `up_to_date`, synced in any case."""
    with _assistant(options, changes) as assistant:
        if up_to_date or not assistant.indexed:
            _bring_up_to_date(assistant)
        yield assistant


def _bring_up_to_date(assistant: Assistant) -> None:
    """A sync that notes what changed or failed; one that another process is at is not waited for."""
    try:
        with _progress() as progress:
            report = assistant.sync(progress=progress)
    except IndexMismatch as error:
        # The index is derived: one of another version or model is made anew, and the articles stay as they are.
        click.echo(f"assistant: {error} (doing that now)", err=True)
        with _progress() as progress:
            report = assistant.sync(rebuild=True, progress=progress)
    except IndexBusy as error:
        if not assistant.indexed:
            raise
        click.echo(f"assistant: {error}; going on with what is indexed", err=True)
        return
    if len(report.outcomes) > report.count("unchanged"):
        click.echo(_summary(report), err=True)
    for outcome in report.outcomes:
        if outcome.what == "failed":
            click.echo(f"failed    {outcome.location}  ({outcome.reason})", err=True)
    _require_articles(report, assistant)


@contextmanager
def _stopped_quietly(*, really: bool) -> Iterator[None]:
    """Where Ctrl-C or SIGTERM is how a command is meant to end, it ends well."""
    if not really:
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(assistant: Assistant, every: float, *, as_json: bool) -> None:
    """Until it is stopped. A line per round that changed anything; what fails is said once."""

    def tell(happened: Round) -> None:
        now = time.strftime("%H:%M:%S")
        if happened.report and as_json:
            _print_json(happened.report.to_dict(), compact=True)
        elif happened.report:
            click.echo(f"{now} {_summary(happened.report)}")
        for outcome in happened.failed:
            click.echo(f"{now} failed    {outcome.location}  ({outcome.reason})", err=True)
        if happened.problem:
            click.echo(f"{now} assistant: {happened.problem}", err=True)

    click.echo(f"watching; web sources are asked every {every / 60:g} minutes; Ctrl-C ends it", err=True)
    assistant.watch(tell, every=every)


def _require_articles(report: SyncReport, assistant: Assistant) -> None:
    if not report.articles:
        raise SourceMissing(
            f"no article could be read in {assistant.settings.corpus}; put .md, .txt, .html, .pdf or .docx "
            "files there, then type: assistant sync"
        )


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar per step on stderr with rate and time left; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    units = {"reading": "articles", "embedding": "passages", "indexing": "passages", "asking": "cases"}
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(f"{step} {units[step]}", total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield report


def _evaluate(options: dict[str, Any], files: tuple[str, ...], **wanted: Any) -> int:
    """The exit code. What is wrong with files and options is said before anything is asked."""
    from assistant.evaluation import baseline
    from assistant.evaluation.cases import load_cases
    from assistant.evaluation.running import made_with, run
    from assistant.evaluation.verdict import check_tags, decide, parse_limits

    _check_wishes(files, wanted)
    _check_places(wanted)
    limits = parse_limits(wanted["fail_under"])
    saved = baseline.load(Path(wanted["baseline"])) if wanted["baseline"] else None
    cases = load_cases(*files)
    check_tags(limits, cases)
    if saved:
        baseline.check_shares_cases(cases, saved)
    with _indexed(options, wanted["changes"], up_to_date=True) as assistant, _progress() as progress:
        if saved and not wanted["force"]:
            baseline.check_same_corpus(made_with(assistant, assistant.articles()), saved)
        report = run(assistant, cases, lambda done, total: progress("asking", done, total))
    comparison = baseline.compare(report, saved) if saved else None
    verdict = decide(
        report,
        comparison,
        limits,
        max_regressions=wanted["max_regressions"] or 0,
        every_case=not (limits or saved or wanted["save"]),
    )
    _hand_out(report, comparison, verdict, wanted)
    return verdict.code


def _check_wishes(files: tuple[str, ...], wanted: dict[str, Any]) -> None:
    """Raises UsageError for options that need others."""
    if not files:
        raise click.UsageError("name a file of cases; to begin one: assistant eval --init cases.yaml")
    if not wanted["baseline"] and (wanted["force"] or wanted["max_regressions"] is not None):
        raise click.UsageError("--max-regressions and --force need --baseline FILE")


def _check_places(wanted: dict[str, Any]) -> None:
    """Raises UsageError for files that cannot be written, or that hold what an earlier run has not written there."""
    from assistant.evaluation import baseline, html, junit

    ours = {
        "html": lambda path: f'content="{html.GENERATOR}"' in _head(path),
        "junit": lambda path: f'<testsuite name="{junit.SUITE}"' in _head(path),
        "save": baseline.is_baseline,
    }
    places = {name: Path(wanted[name]) for name in ours if wanted[name]}
    for name, path in places.items():
        _check_place(f"--{name}", path)
        if path.is_file() and path.stat().st_size and not ours[name](path):
            raise click.UsageError(f"--{name}: {path} is no file that eval has written; name another, or remove it")
    if len({path.absolute() for path in places.values()}) < len(places):
        raise click.UsageError("--html, --junit and --save cannot be one file; name several")


def _check_place(option: str, path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise click.UsageError(f"{option}: {path} cannot be a file; name one in a folder that exists")


def _head(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(2_000)


def _hand_out(report: Report, comparison: Comparison | None, verdict: Verdict, wanted: dict[str, Any]) -> None:
    from assistant.evaluation import baseline, html, junit, table

    if wanted["html"]:
        _write(wanted["html"], html.page(report, comparison, verdict))
    if wanted["junit"]:
        _write(wanted["junit"], junit.document(report))
    if wanted["as_json"]:
        _print_json(report.to_dict() | {"comparison": comparison and comparison.to_dict(), **verdict.to_dict()})
        for reason in verdict.reasons:
            click.echo(f"assistant: {reason}", err=True)
    else:
        table.show(report, comparison, verdict)
    if wanted["save"] and report.errors:
        click.echo(f"assistant: {wanted['save']} was not saved, since a case could not be asked", err=True)
    elif wanted["save"] and comparison and verdict.code:
        click.echo(f"assistant: {wanted['save']} was not saved, since the run did not pass", err=True)
    elif wanted["save"]:
        baseline.save(report, Path(wanted["save"]))


def _write(path: str, text: str, mode: Literal["w", "x"] = "w") -> None:
    """Never over a file that is there with `mode` x: a person may have worked on it."""
    try:
        with Path(path).open(mode, encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InvalidSetting(f"{path} is there already; name another file, or remove it") from error
    except OSError as error:
        raise InvalidSetting(f"{path} cannot be written ({error.strerror}); name another file") from error


def _draft(options: dict[str, Any], path: str, files: tuple[str, ...]) -> None:
    from assistant.evaluation.drafting import draft
    from assistant.evaluation.files import YAML

    if files:
        raise click.UsageError("--init takes one file, to be written, and no others")
    if Path(path).suffix.lower() not in YAML:
        raise click.UsageError(f"--init: the drafts are YAML, so the file's name must end in {' or '.join(YAML)}")
    if Path(path).exists():
        raise InvalidSetting(f"{path} is there already; name another file, or remove it")
    _check_place("--init", Path(path))
    with _indexed(options) as assistant:
        text, count = draft(assistant)
    _write(path, text, "x")
    click.echo(f"{count} drafts in {path}; look at each and remove its `draft: true`, then: assistant eval {path}")


def _print_json(value: object, *, compact: bool = False) -> None:
    """On one line if it is `compact`, as one of many."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if compact else 2))


def _heading(article: Article) -> str:
    return " · ".join(part for part in (article.title, article.source, article.day) if part)


def _print_answer(answer: Answer) -> None:
    if answer.asked != answer.question:
        click.echo(f"(asked: {answer.asked})", err=True)
    click.echo(answer.text)
    if answer.abstained:
        _print_nearest(answer.hits)
        return
    click.echo("")
    for citation in answer.citations:
        elsewhere = citation.elsewhere and f" · {citation.elsewhere}"
        click.echo(f"[{citation.number}] {_heading(citation.article)}{elsewhere}")
    for other in answer.disagreements:
        click.echo(f"[{other.citation.number}] otherwise: {other.value} · {_heading(other.citation.article)}")
    click.echo(f"confidence {answer.confidence:.0%}")


def _print_nearest(hits: tuple[Hit, ...]) -> None:
    if hits:
        click.echo("\nNearest passages:")
    for hit in hits[:3]:
        click.echo(f"- {_heading(hit.article)}\n  {' '.join(hit.text.split())}")


def _print_fitted(fitted: Fitted, max_error: float | None) -> None:
    click.echo(f"{fitted.cases} cases, {fitted.silent} of them without an answer in the articles")
    click.echo(f"{'':<22}{'before':>8}{'now':>8}")
    for name, was, now in (
        ("Brier score", fitted.before.brier, fitted.after.brier),
        ("calibration error", fitted.before.calibration_error, fitted.after.calibration_error),
        ("area under risk", fitted.before.area, fitted.after.area),
    ):
        click.echo(f"{name:<22}{was:8.3f}{now:8.3f}")
    click.echo("\n  confidence   cases   right")
    for found in fitted.after.bins:
        click.echo(f"  {found.probability:10.0%}{found.count:8}{found.right:8.0%}  {'█' * round(20 * found.right)}")
    if fitted.calibration is None:
        click.echo(
            f"\nNo threshold keeps to {100 * (max_error or 0):.3g} % wrong. It takes {fitted.needed}. "
            "Nothing was changed."
        )
        return
    kept_to = f"; at most {100 * max_error:.3g} % wrong, with 95 % confidence" if max_error else ""
    click.echo(
        f"\nthreshold {fitted.calibration.threshold:.2f}: {fitted.answered} cases answered, "
        f"{fitted.wrong} of them wrong{kept_to}"
    )


def _summary(report: SyncReport) -> str:
    from assistant.schema import OUTCOMES

    counts = ", ".join(f"{report.count(what)} {what}" for what in OUTCOMES if report.count(what))
    return f"{counts or 'nothing to do'}; {report.articles} articles in the index ({report.seconds:.1f} s)"


def _print_report(report: SyncReport) -> None:
    for outcome in report.outcomes:
        if outcome.what != "unchanged":
            detail = outcome.reason or outcome.title
            click.echo(f"{outcome.what:<9} {outcome.location}" + (f"  ({detail})" if detail else ""))
    keys = list(dict.fromkeys(outcome.source for outcome in report.outcomes if outcome.source))
    if len(keys) > 1:
        _print_table(report, keys)
    click.echo(_summary(report))


def _print_checkup(checkup: Checkup) -> None:
    for finding in checkup.mended:
        click.echo(f"mended    {finding.what}")
    for finding in checkup.findings:
        click.echo(f"wrong     {finding}")
    if checkup.writing:
        click.echo(f"assistant: {checkup.writing} writes to the index now; look again when it is done", err=True)
    if not checkup.findings:
        click.echo(f"nothing is wrong: {checkup.articles} articles, {checkup.passages} passages")


def _print_table(report: SyncReport, keys: list[str]) -> None:
    """What happened to each source, in columns; only outcomes that there were."""
    from assistant.schema import OUTCOMES

    columns = [what for what in OUTCOMES if report.count(what)]
    width = max(len(key) for key in keys)
    click.echo("".join(["\n", f"{'source':<{width}}", *(f"  {what:>9}" for what in columns)]))
    for key in keys:
        counts = (f"  {report.count(what, key) or '':>9}" for what in columns)
        click.echo("".join([f"{key:<{width}}", *counts]))
    click.echo("")


if __name__ == "__main__":
    main()
