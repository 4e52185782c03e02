"""An analysis file: its errors, its overlays, and what a run leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import SpecError
from cevnsfit.physics.trident import trident_limit, trident_spectrum
from cevnsfit.spec.analysis import analysis_of
from cevnsfit.spec.yaml_source import read_yaml
from cevnsfit.studies.analysis import read_study, run_study
from cevnsfit.studies.page import write_study
from cevnsfit.studies.setup import build_each

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.spec.analysis import AnalysisSpec

SMALL = """\
schema_version: 1
title: a small study
model: lmu-ltau
grid: ["mass=200:1000:3:log", "g=1e-3:8e-2:25:log"]
results:
  - {label: CsI, experiments: [coherent-csi-2021]}
  - {label: projection, experiments: [ccm-200]}
confidence: [{cl: 0.90}]
g_2: "2020"
overlays:
  - {label: somebody's limit, file: limit.csv}
  - {label: tridents, computed: neutrino-trident}
spectra: [coherent-csi-2021]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "analysis.yaml"
    path.write_text(text, encoding="utf-8")
    (folder / "limit.csv").write_text("# source: arXiv:0000.00000, fig. 1\nmass [MeV],g [1]\n200,0.01\n1000,0.05\n", encoding="utf-8")
    return path


def spec_of(path: Path) -> AnalysisSpec:
    return analysis_of(read_yaml(path))


def test_the_shipped_analysis_is_valid(project_root: Path) -> None:
    spec = spec_of(project_root / "analyses" / "lmu-ltau-combined.yaml")
    assert spec.model == "lmu-ltau"
    assert ("ccm-200",) in [result.experiments for result in spec.results]
    assert spec.results[-1].experiments == ("coherent-csi-2021", "coherent-lar-2020")


def test_a_result_changes_one_of_its_experiments(tmp_path: Path) -> None:
    change = 'experiments: [coherent-csi-2021, ccm-200], overrides: {"ccm-200:source.distance": 40 m}'
    likelihoods = build_each(read_study(write(tmp_path, SMALL.replace("experiments: [ccm-200]", change))).analyses)
    alone, changed = (likelihood.build.experiments for likelihood in likelihoods.values())
    assert [entry.overrides for entry in changed] == [(), (("source.distance", "40 m"),)]
    assert changed[0] is alone[0]  # read once


@pytest.mark.slow
def test_a_run_leaves_tables_and_pictures(tmp_path: Path) -> None:
    result = run_study(read_study(write(tmp_path, SMALL)), tmp_path / "out")
    files = {path.name for path in write_study(result, tmp_path / "out")}
    assert files == {"exclusion.csv", "exclusion_intervals.csv", "exclusion.png", "spectra.png"}
    assert all((tmp_path / "out" / name).stat().st_size > 0 for name in files)
    assert [entry.plane.label for entry in result.planes] == ["CsI", "projection"]
    assert "Asimov" in result.planes[1].plane.caveat
    assert len(result.signal_strengths) == 1
    np.testing.assert_array_equal(result.study.curves[0].points, [[200.0, 0.01], [1000.0, 0.05]])
    ends = result.study.curves[1].points[[0, -1]]
    np.testing.assert_allclose(ends[:, 0], [200.0, 1000.0])
    np.testing.assert_allclose(ends[:, 1], trident_limit(ends[:, 0], trident_spectrum()))
    again = run_study(read_study(tmp_path / "analysis.yaml"), tmp_path / "out")
    np.testing.assert_array_equal(again.planes[0].plane.nll2, result.planes[0].plane.nll2)


def test_every_problem_of_the_file_is_named(tmp_path: Path) -> None:
    text = SMALL.replace("model:", "modell:").replace("cl: 0.90", "cl: 1.90").replace('"2020"', '"1999"')
    with pytest.raises(SpecError) as caught:
        spec_of(write(tmp_path, text))
    message = str(caught.value)
    assert "analysis.yaml:3: modell: unknown field 'modell'; did you mean model" in message
    assert "model: this field is required" in message
    assert "confidence.0.cl" in message
    assert "g_2" in message


def test_unknown_experiments_list_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"analysis\.yaml:7: results\.1\.experiments\.0: .*ccm-200"):
        read_study(write(tmp_path, SMALL.replace("[ccm-200]", "[ccm-20]")))


def test_an_overlay_of_another_plane_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    (tmp_path / "limit.csv").write_text("# source: us\nmass [MeV],eps [1]\n1,2\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"limit\.csv:2: .*mass \[MeV\] and g \[1\]"):
        read_study(path)


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ('xlim: "0:1000"', r"analysis\.yaml:14: look: xlim 0:1000: the axis is logarithmic"),
        ('ylim: "1e-4"', r"analysis\.yaml:14: look: '1e-4' should read A:B"),
        ("title: a $x_$", r"analysis\.yaml:14: look\.title: 'a .* holds a formula that cannot be drawn"),
        ("style: papr", r"analysis\.yaml:14: look\.style"),
    ],
)
def test_a_look_that_cannot_be_is_refused_before_anything_is_computed(tmp_path: Path, look: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_study(write(tmp_path, f"{SMALL}look: {{{look}}}\n"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "label: CsI,",
            'label: "CsI $m_{Z\'$",',
            r"analysis\.yaml:6: results\.0\.label: 'CsI \$m_\{Z'\$' holds a formula that cannot be drawn",
        ),
        ("label: CsI,", 'label: "C\\e[2Js",', r"analysis\.yaml:6: results\.0\.label: 'C\\x1b\[2Js' is not one line"),
        ("title: a small study", "title: '$x_{$'", r"analysis\.yaml:2: title: "),
        ("label: somebody's limit", "label: '$x_{$'", r"analysis\.yaml:11: overlays\.0\..*label: '\$x_"),
        ("label: somebody's limit, ", "", r"analysis\.yaml:11: overlays\.0: the name of a limit: '\$x_\{\$' holds a formula"),
    ],
)
def test_a_name_that_cannot_be_drawn_is_refused_before_anything_is_computed(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, SMALL.replace(old, new))
    (tmp_path / "limit.csv").write_text("# title: $x_{$\n# source: us\nmass [MeV],g [1]\n200,0.01\n1000,0.05\n", encoding="utf-8")
    with pytest.raises(SpecError, match=message) as error:
        read_study(path)
    assert len(error.value.problems) == 1


def test_a_truth_value_is_no_value_of_a_parameter(tmp_path: Path) -> None:
    assert spec_of(write(tmp_path, f"{SMALL}at: {{loop_sign: 1}}\n")).at == {"loop_sign": 1.0}
    with pytest.raises(SpecError, match="loop_sign"):
        read_study(write(tmp_path, f"{SMALL}at: {{loop_sign: true}}\n"))


def test_tridents_bound_the_models_of_the_muon_number_only(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="lmu-ltau, le-lmu"):
        read_study(write(tmp_path, SMALL.replace("model: lmu-ltau", "model: le-ltau")))


def test_an_overlay_is_a_file_or_computed(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="either a file or computed"):
        spec_of(write(tmp_path, SMALL.replace("file: limit.csv", "file: limit.csv, computed: neutrino-trident")))


def test_each_result_is_an_analysis(tmp_path: Path) -> None:
    text = SMALL.replace("experiments: [ccm-200]", "experiments: [ccm-200], overrides: {source.distance: 20, electrons.on: false}")
    spec = spec_of(write(tmp_path, text + "at: {loop_sign: -1}\n"))
    assert spec.at == {"loop_sign": -1}
    held = (("loop_sign", -1.0),)
    assert spec.analyses(tmp_path, {"loop_sign": -1.0}, None) == {
        "CsI": Analysis(("coherent-csi-2021",), "lmu-ltau", at=held),
        "projection": Analysis(("ccm-200",), "lmu-ltau", (("source.distance", "20"), ("electrons.on", "False")), at=held),
    }


def test_two_results_with_one_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="two results have the label CsI"):
        spec_of(write(tmp_path, SMALL.replace("label: projection", "label: CsI")))


@pytest.mark.parametrize(
    "entry", ["[{label: a, file: ../curve.csv}]", "[../curve.csv]", "[{file: /etc/passwd}]", "[/etc/passwd]", "[link.csv]"]
)
def test_an_analysis_file_names_files_of_its_folder(tmp_path: Path, entry: str) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (tmp_path / "curve.csv").write_text("# source: us\nmass [MeV],g [1]\n1,1e-3\n2,2e-3\n")
    (folder / "link.csv").symlink_to(tmp_path / "curve.csv")
    text = SMALL[: SMALL.index("overlays:")]
    for further in (f"overlays: {entry}\n", *([f"slice: {{limits: {entry}}}\n"] if "file" not in entry else [])):
        with pytest.raises(SpecError, match=r"(overlays|slice\.limits)\.0: '.*' lies outside of the folder of the file that names it"):
            read_study(write(folder, text + further))


def test_a_limit_of_ratios_is_a_limit_with_a_remark(tmp_path: Path, shared_data: Path) -> None:
    for name in ("rvalues.lmt", "rvalues-analysis.yaml"):
        (tmp_path / name).write_bytes((shared_data.parent / "cases" / name).read_bytes())
    (curve,) = read_study(tmp_path / "rvalues-analysis.yaml").curves
    assert "ratios of the expected to the excluded signal" in curve.remarks[0]
    assert curve.excluded(10.0)[0][1] == pytest.approx(1e-4)
