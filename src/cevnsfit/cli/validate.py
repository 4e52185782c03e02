"""`cevnsfit validate`: published numbers and those of this installation."""

from cevnsfit.cli.command import command
from cevnsfit.cli.output import Answer, table


@command()
def validate() -> Answer:
    """Compare with published results and independent computations."""
    from cevnsfit.studies.validate import COLUMNS, rows
    from cevnsfit.studies.validate import validate as run_checks

    checks = run_checks()
    failed = [check.id for check in checks if not check.passed]
    text = (
        table("Against published numbers and independent computations", COLUMNS, rows(checks)),
        f"{len(checks) - len(failed)} of {len(checks)} checks agree within their tolerance",
    )
    return Answer(checks, text, incomplete=f"{len(failed)} checks failed: {', '.join(failed)}" if failed else "")
