"""`cevnsfit validate`: published numbers and those of this installation."""

from cevnsfit.cli.command import command
from cevnsfit.cli.output import Answer


@command()
def validate() -> Answer:
    """Compare with published results and independent computations."""
    from cevnsfit.studies.validate import validate as run_checks

    checks = run_checks()
    failed = [check.id for check in checks if not check.passed]
    return Answer(checks, incomplete=f"{len(failed)} checks failed: {', '.join(failed)}" if failed else "")
