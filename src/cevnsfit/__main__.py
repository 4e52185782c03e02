"""`python -m cevnsfit`."""

from __future__ import annotations

from cevnsfit.cli.main import main_entry

if __name__ == "__main__":
    main_entry()
