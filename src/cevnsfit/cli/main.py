"""The entry point: commands, and what becomes of errors.

Exit codes: 0; 1 an internal error; 2 bad input; 3 an invalid fit or an incomplete result; 4 not enough memory, disk or open files; 130 interrupted.
"""

import errno
import gc
import json
import os
import sys
import traceback
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from cevnsfit.cli import (
    agreement,
    compare,
    coverage,
    experiments,
    export,
    fit,
    forecast,
    models,
    moments,
    overlays,
    posterior,
    region,
    scan,
    start,
)
from cevnsfit.cli.output import INCOMPLETE, SHORT, remark, show_log
from cevnsfit.core.errors import CevnsfitError, FitError, ResourceError


class Commands(TyperGroup):
    """The commands; errors end in one message on stderr and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return what is left of the arguments after the options of all commands; old names of options are still understood."""
        return super().parse_args(
            ctx, [_RENAMED.get(name, name) + equals + value for name, equals, value in (text.partition("=") for text in args)]
        )

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Raises
        ------
        typer.Exit
            With the exit code of an error.
        """
        arguments = list(ctx.args)
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _drop_stdout()
            code = 0
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):
                if ctx.invoked_subcommand != "fit" and any(text.partition("=")[0] == "--blind" for text in arguments):
                    remark(f"`cevnsfit {ctx.invoked_subcommand}` would show the value of a blinded parameter: `fit` alone can hide it")
                raise  # typer's own: an exit, or a usage error that it prints
            text, code = _explained(error, ctx.invoked_subcommand, arguments)
            if isinstance(error, FitError) and "--json" in arguments:
                typer.echo(json.dumps({"valid": False, "reason": str(error)}))
            if code == 1 and (ctx.params.get("debug") or os.environ.get("CEVNSFIT_DEBUG")):
                traceback.print_exc()
            remark(text)
        raise typer.Exit(code)


_REPORT = "This is a bug. Please report it with the command and the traceback that `cevnsfit --debug COMMAND ...` shows."


_SHORT_OF: dict[int | None, str] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "; make room and run the same command again: finished work is kept"),
    errno.EMFILE: "; ask for fewer processes (--jobs), or allow more open files (ulimit -n)",
    errno.ENFILE: "; ask for fewer processes (--jobs), or close other programs",
    errno.ENOMEM: "; ask for fewer points, bins or pseudo-experiments, or for fewer processes (--jobs)",
}
"""What may be short, by the number of the error of the operating system, and what helps."""


_RENAMED = {"--truth": "--true"}
"""New names of options."""


_LONG = (
    "compare",
    "compatibility",
    "coverage",
    "critical-values",
    "gof",
    "intervals",
    "posterior",
    "region",
    "run",
    "scan",
    "significance",
    "susy-scan",
)
"""Commands that keep what is finished in the folder of --output."""


def _interrupted(command: str | None, arguments: list[str]) -> str:
    """Return what an interrupted command leaves, and how to go on."""
    if command not in _LONG:
        return "interrupted"
    if any(text == "--output" or text.startswith(("-o", "--output=")) for text in arguments):
        return "interrupted; finished work is kept: run the same command again to resume"
    return "interrupted; nothing is kept without --output DIR"


def _explained(error: BaseException, command: str | None, arguments: list[str]) -> tuple[str, int]:
    """Return the message and the exit code of an error."""
    if isinstance(error, KeyboardInterrupt):
        return _interrupted(command, arguments), 130
    if isinstance(error, FitError):
        return f"incomplete: {error}", INCOMPLETE
    if isinstance(error, CevnsfitError):
        lacking = isinstance(error, ResourceError) or (isinstance(error.__cause__, OSError) and error.__cause__.errno in _SHORT_OF)
        return f"error: {error}", SHORT if lacking else 2
    if isinstance(error, MemoryError):
        what = f"not enough memory for `cevnsfit {command}`{f': {error}' if str(error) else ''}"
        return f"error: {what}{_SHORT_OF[errno.ENOMEM]}", SHORT
    if isinstance(error, OSError):
        what = str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        return f"error: {what}{_SHORT_OF.get(error.errno, '')}", SHORT if error.errno in _SHORT_OF else 2
    return f"internal error: {type(error).__name__}: {' '.join(str(error).split())[:300]}\n{_REPORT}", 1


def _drop_stdout() -> None:
    """Let the interpreter flush stdout into nothing: the reader has gone."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (it stays open until the end)


def _show_version(wanted: bool) -> None:
    if wanted:
        from cevnsfit import __version__

        typer.echo(__version__)
        raise typer.Exit


app = typer.Typer(
    name="cevnsfit",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an internal error.")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, callback=show_log, help="Say on stderr what is done; -vv for every part of it.")
    ] = 0,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Statistical inference with coherent elastic neutrino-nucleus scattering."""


app.add_typer(experiments.app, name="experiments")
app.add_typer(models.app, name="models")
app.add_typer(overlays.app, name="overlays")
for _function in (
    *(fit.rates, fit.fit, fit.spectra, agreement.intervals, agreement.gof, agreement.compatibility, compare.compare),
    *(agreement.significance, agreement.impacts, coverage.coverage, posterior.posterior, region.region, region.critical_values),
    *(forecast.forecast, scan.scan, scan.plot, scan.run),
    *(export.export, export.export_likelihood, export.report, export.cite, export.show, moments.g_2, moments.susy_scan),
    *(start.validate, start.import_release, start.new_experiment, start.init, start.schema),
):
    app.command()(_function)
app.command("slice")(overlays.slice_)


_RARELY: Final = 10_000
"""New objects after which Python looks for garbage; with its usual 700 it goes through all modules time and again while they are loaded, 0.3 s in all."""


def main_entry() -> None:
    """Run the command line; plug-ins of pydantic, which looks for them in all packages, have no part in it."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    gc.set_threshold(_RARELY)
    try:
        app(prog_name="cevnsfit")
    finally:
        gc.freeze()  # at the end Python goes through all objects once more
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_stdout()
