"""`cevnsfit rates`: expected counts of one experiment."""

from cevnsfit.cli import output
from cevnsfit.cli.options import AtOption, ElectronsOption, ExperimentArgument, JsonOption, ModelOption, SetOption
from cevnsfit.core.documents import plain


def rates(
    experiment: ExperimentArgument,
    model: ModelOption,
    at: AtOption = None,
    changes: SetOption = None,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the expected counts of one experiment at nominal nuisances."""
    from cevnsfit.cli.options import analysis, held
    from cevnsfit.studies.provenance import provenance
    from cevnsfit.studies.rates import rates as expected
    from cevnsfit.studies.setup import caveat

    chosen = analysis([experiment], model, changes, electrons=electrons).holding(held(at))
    counts, label = expected(chosen), caveat(chosen)
    if as_json:
        output.print_json({**plain(counts), "caveat": label, "provenance": provenance(chosen)})
        return
    rows = [(name, f"{total:.2f}") for name, total in counts.totals.items()]
    rows.append(("all", f"{counts.total.sum():.2f}"))
    if counts.observed is not None:
        rows.append(("observed", f"{counts.observed.sum():.0f}"))
    output.table(f"{counts.experiment}, {model}", ("component", "counts"), rows)
    output.print_lines(*([f"caveat: {label}"] if label else []))
