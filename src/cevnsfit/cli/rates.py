"""`cevnsfit rates`: expected counts of one experiment."""

from cevnsfit.cli.command import command
from cevnsfit.cli.options import ExperimentArgument, ModelOptions
from cevnsfit.cli.output import Answer


@command("experiment model at changes electrons")
def rates(experiment: ExperimentArgument, what: ModelOptions) -> Answer:
    """Print the expected counts of one experiment at nominal nuisances."""
    from cevnsfit.studies import rates as expected
    from cevnsfit.studies.setup import build

    chosen = what.of([experiment])
    (counts,) = expected.rates(build(chosen), at=chosen.held).values()
    return Answer(counts, analysis=chosen)
