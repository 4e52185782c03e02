"""Where the shipped data lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.errors import CevnsfitError, SpecError
from cevnsfit.core.paths import data_root, inside, leads_out, read_text

if TYPE_CHECKING:
    from pathlib import Path


def test_the_source_tree_is_found(project_root: Path) -> None:
    assert data_root() == project_root / "data"
    assert (data_root() / "experiments").is_dir()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n".encode("utf-16"), "a text file in UTF-16, not in UTF-8; save the sheet as 'CSV UTF-8'; expected a curve"),
        ("a,b\n1,2\n1,2\n1,2\n".encode("utf-16-le"), "a text file in UTF-16"),
        ("t [\u00b5s]\n".encode("latin-1"), "not a text file in UTF-8"),
        (b"PK\x03\x04\x00", "not a text file in UTF-8"),
        (b"1" * 101, "is larger than 100 bytes"),
    ],
)
def test_what_is_no_text(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_text(tmp_path / "a.csv", 100, "expected a curve")
    assert message in str(caught.value)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa")
    assert read_text(tmp_path / "a.csv", 100, "") == "a"


def test_files_of_a_folder_stay_in_it(tmp_path: Path) -> None:
    folder, other = tmp_path / "study", tmp_path / "other.csv"
    folder.mkdir()
    other.write_text("secret")
    (folder / "own.csv").write_text("own")
    (folder / "link.csv").symlink_to(other)
    (folder / "own-link.csv").symlink_to("own.csv")
    (folder / "circle.csv").symlink_to("circle.csv")
    for name in ("own.csv", "own-link.csv", "none.csv", "./own.csv", str(folder / "own.csv")):
        assert inside(folder, name).resolve().parent == folder.resolve()
    for name in ("../other.csv", "link.csv", "circle.csv", str(other), "/etc/passwd", "sub/../../other.csv", "own.csv\0"):
        with pytest.raises(CevnsfitError, match="lies outside of the folder of the file that names it; copy it there"):
            inside(folder, name)
    assert leads_out(folder / "link.csv")
    assert not leads_out(folder / "own-link.csv")
