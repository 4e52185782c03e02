"""`cevnsfit rates`: expected counts of one experiment."""

from cevnsfit.cli.command import command
from cevnsfit.cli.options import ExperimentArgument, ModelOptions, values_text
from cevnsfit.cli.output import Answer, table


@command("experiment model at changes electrons")
def rates(experiment: ExperimentArgument, what: ModelOptions) -> Answer:
    """Print the expected counts of one experiment at nominal nuisances."""
    from cevnsfit.studies import rates as expected
    from cevnsfit.studies.setup import build

    chosen = what.of([experiment])
    (counts,) = expected.rates(build(chosen, fitted=False), at=chosen.held).values()
    rows = [(name, f"{total:.2f}") for name, total in counts.totals.items()]
    rows.append(("all", f"{counts.total:.2f}"))
    if counts.observed is not None:
        rows.append(("observed", f"{counts.observed.sum():.0f}"))
    lines = [table(f"{counts.experiment}, {what.model}", ("component", "counts"), rows)]
    lines += [f"at {values_text(what.model, counts.at)}"] if counts.at else []
    lines += [f"caveat: {counts.about.caveat}"] if counts.about.caveat else []
    return Answer(counts, lines, analysis=chosen)
