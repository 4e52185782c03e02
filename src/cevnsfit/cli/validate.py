"""`cevnsfit validate`: published numbers and those of this installation."""

from cevnsfit.cli import output
from cevnsfit.cli.options import JsonOption


def validate(as_json: JsonOption = False) -> None:
    """Compare with published results and independent computations."""
    from cevnsfit.studies.validate import COLUMNS, rows
    from cevnsfit.studies.validate import validate as run_checks

    checks = run_checks()
    failed = [check.id for check in checks if not check.passed]
    if as_json:
        output.print_json(checks)
    else:
        output.table("Against published numbers and independent computations", COLUMNS, rows(checks))
        output.print_lines(f"{len(checks) - len(failed)} of {len(checks)} checks agree within their tolerance")
    output.stop_if(bool(failed), f"{len(failed)} checks failed: {', '.join(failed)}")
