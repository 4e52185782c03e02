"""What a package outside cevnsfit imports to add signal models, experiments and importers of releases; its names stay.

A model is a function that returns a `SignalModel`, an experiment is a folder, an importer is a `Release`; entry points of the package name them:

    [project.entry-points."cevnsfit.models"]
    my-model = "my_package:my_model"

    [project.entry-points."cevnsfit.experiments"]
    my-experiment = "my_package:FOLDER"

    [project.entry-points."cevnsfit.releases"]
    my-release = "my_package:RELEASE"

| for | names |
|---|---|
| the model and its parameters | `SignalModel`, `Parameter`, `coupling`, `mediator_mass`, `CEVNS_ONLY` |
| what recoils or reacts | `Target`, `ElectronTarget`, `ReactionTarget`, `Nuclide` |
| amplitudes | `Term`, `Monomial`, `Polynomial`, `power`, `sm_charge`, `standard_terms`, `standard_electrons`, `electron_terms`, `reaction_terms` |
| energy integrals other than "vector" | `Kernel`, `Kinematics`, `KERNELS`, `KernelKey`, `WeightedKernel` |
| constants | `LEPTONS`, `FERMI_CONSTANT` [MeV^-2], `FINE_STRUCTURE`, `HBAR_C` [MeV cm], `FM` [cm], masses [MeV], `SIN2_THETA_W` |
| released files, and tables made of them | `Release`, `ReleasedFile`, `RootHistogram`, `Hdf5Table`, `HepdataTable`, `Table`, `bin_columns` |
| errors | `CevnsfitError`, `DomainError` |

>>> coupling().name, power("g", 2)
('g', (('g', 2),))
"""

from __future__ import annotations

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.parameters import Parameter
from cevnsfit.io.releases.hdf5 import Hdf5Table
from cevnsfit.io.releases.hepdata import HepdataTable
from cevnsfit.io.releases.reading import Release, ReleasedFile
from cevnsfit.io.releases.root import RootHistogram
from cevnsfit.io.tables import Table, bin_columns
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, FM, HBAR_C, MUON_MASS, SIN2_THETA_W, TAU_MASS
from cevnsfit.physics.couplings import LEPTONS, ElectronCouplings, WeakCouplings
from cevnsfit.physics.interactions.common import CEVNS_ONLY, coupling, fixed, mediator_mass, power, reaction_terms, standard_terms
from cevnsfit.physics.interactions.electron_scattering import electron_terms, standard_electrons
from cevnsfit.physics.interactions.terms import (
    ElectronTarget,
    Monomial,
    Polynomial,
    PreparedModel,
    ReactionTarget,
    Shapes,
    SignalModel,
    Target,
    Term,
    sm_charge,
)
from cevnsfit.physics.kernels import KERNELS, Kernel, KernelKey, WeightedKernel
from cevnsfit.physics.kinematics import Kinematics
from cevnsfit.physics.nuclei import Nuclide

__all__ = [
    "CEVNS_ONLY",
    "ELECTRON_MASS",
    "FERMI_CONSTANT",
    "FINE_STRUCTURE",
    "FM",
    "HBAR_C",
    "KERNELS",
    "LEPTONS",
    "MUON_MASS",
    "SIN2_THETA_W",
    "TAU_MASS",
    "CevnsfitError",
    "DomainError",
    "ElectronCouplings",
    "ElectronTarget",
    "Hdf5Table",
    "HepdataTable",
    "Kernel",
    "KernelKey",
    "Kinematics",
    "Monomial",
    "Nuclide",
    "Parameter",
    "Polynomial",
    "PreparedModel",
    "ReactionTarget",
    "Release",
    "ReleasedFile",
    "RootHistogram",
    "Shapes",
    "SignalModel",
    "Table",
    "Target",
    "Term",
    "WeakCouplings",
    "WeightedKernel",
    "bin_columns",
    "coupling",
    "electron_terms",
    "fixed",
    "mediator_mass",
    "power",
    "reaction_terms",
    "sm_charge",
    "standard_electrons",
    "standard_terms",
]
