"""Groups of options are expanded, and the function is handed one object a group."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.main import app
from cevnsfit.cli.options import AnalysisOptions, ToyOptions
from cevnsfit.cli.output import Answer
from cevnsfit.infer.toys import Toys


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    name: Annotated[str, argument("What is painted.", "NAME")]
    colour: Annotated[str, option("--colour -c", "Its colour.", "WORD")] = "red"
    coats: Annotated[int, option("--coats", "How often.")] = 1


def paint(what: Paint, dry: Annotated[bool, option("--dry", "Wait.")] = False) -> Answer:
    """Paint it."""
    return Answer({"name": what.name, "colour": what.colour, "coats": what.coats, "dry": dry}, [what.name])


def run(order: str | None, *arguments: str) -> tuple[int, str]:
    small = typer.Typer()
    small.command()(command(order)(paint))
    result = CliRunner().invoke(small, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("order", "expected"),
    [(None, ["--colour", "--coats", "--dry", "--json"]), ("dry name coats colour", ["--dry", "--coats", "--colour", "--json"])],
)
def test_options_have_the_order_that_is_asked_for(order: str | None, expected: list[str]) -> None:
    _, text = run(order, "--help")
    positions = [text.index(name) for name in expected]
    assert positions == sorted(positions)


def test_a_group_is_one_object_with_what_was_given() -> None:
    assert run(None, "wall", "-c", "blue", "--dry", "--json") == (0, '{"name": "wall", "colour": "blue", "coats": 1, "dry": true}\n')
    assert run(None, "wall") == (0, "wall\n")


def test_a_field_without_default_is_required() -> None:
    code, text = run(None)
    assert code == 2
    assert "NAME" in text


def test_an_option_that_a_command_does_not_have_keeps_its_default() -> None:
    assert run("name dry", "wall", "--coats", "2")[0] == 2
    assert run("name dry", "wall", "--json") == (0, '{"name": "wall", "colour": "red", "coats": 1, "dry": false}\n')


def test_an_unknown_option_in_the_order_is_an_error() -> None:
    with pytest.raises(KeyError, match="size"):
        command("name size")(paint)


def test_no_command_has_an_option_twice() -> None:
    for name, entry in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        flags = [flag for parameter in entry.params for flag in parameter.opts]
        assert len(flags) == len(set(flags)), name


def test_what_is_analysed_has_the_same_options_wherever_a_likelihood_is_built() -> None:
    wanted = {"--model", "--at", "--set", "--profile", "--profile-signal", "--electrons", "--allow-overlap"}
    built = 0
    for name, entry in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        flags = {flag for parameter in entry.params for flag in parameter.opts}
        if {"--model", "--allow-overlap"} <= flags:
            built += 1
            assert wanted <= flags, name
    assert built >= 11


def test_toys_are_run_where_they_were_asked_for() -> None:
    assert ToyOptions().asked is None
    assert ToyOptions().used_seed is None
    toys = ToyOptions(toys=256, seed=5)
    assert toys.asked == Toys(256, 5)
    assert toys.used_seed == 5


def test_the_options_are_the_analysis() -> None:
    options = AnalysisOptions(
        experiments=["coherent-lar-2020"], model="signal-strength", at=["x=2"], profile=["a", "b", "a"], profile_signal=True, electrons=True
    )
    found = options.analysis
    assert (found.held, found.floating, found.signal_systematics, found.electrons) == ({"x": 2.0}, ("a", "b"), "shapes", True)
