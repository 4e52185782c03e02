"""`cevnsfit rates`: expected counts of one experiment."""

from cevnsfit.cli.command import command
from cevnsfit.cli.options import ExperimentArgument, ModelOptions
from cevnsfit.cli.output import Answer


@command("experiment model at changes electrons")
def rates(experiment: ExperimentArgument, what: ModelOptions) -> Answer:
    """Print the expected counts of one experiment at nominal nuisances."""
    from cevnsfit.report.tables import ResultTable
    from cevnsfit.studies.rates import rates as expected
    from cevnsfit.studies.setup import caveat
    from cevnsfit.studies.texts import rates as rates_text

    chosen = what.of([experiment])
    counts, label = expected(chosen), caveat(chosen)
    text = ResultTable(tuple(rates_text(counts, what.model, label)))
    return Answer(counts, [text], analysis=chosen, further={"caveat": label})
