"""A cochlea: converts audio into spikes, as for the Heidelberg Spiking Datasets.

Five steps: level → window → basilar membrane → inner hair cells → bushy cells. Low channel index = high
frequency (base); high index = low frequency (apex). Inputs and outputs are arrays; no files are read or written.
"""

from cochlea.basilar_membrane import (
    BasilarMembraneCoeffs,
    BasilarMembraneParams,
    Spectrum,
    analyse,
    characteristic_frequency,
    design_basilar_membrane,
    place,
    run_basilar_membrane,
    transfer_function,
)
from cochlea.bushy_cell import (
    BushyCellCoeffs,
    BushyCellParams,
    design_bushy_cell,
    release_hazard,
    run_bushy_cell,
)
from cochlea.hair_cell import HairCellCoeffs, HairCellParams, design_hair_cell, run_hair_cell
from cochlea.inverse_transform import Window
from cochlea.level import hann_ramp, normalize_rms
from cochlea.pipeline import Spikes, Trace, encode, prepare_recording, trace
from cochlea.presets import PRESETS, CochleaParams

__all__ = [
    "PRESETS",
    "BasilarMembraneCoeffs",
    "BasilarMembraneParams",
    "BushyCellCoeffs",
    "BushyCellParams",
    "CochleaParams",
    "HairCellCoeffs",
    "HairCellParams",
    "Spectrum",
    "Spikes",
    "Trace",
    "Window",
    "analyse",
    "characteristic_frequency",
    "design_basilar_membrane",
    "design_bushy_cell",
    "design_hair_cell",
    "encode",
    "hann_ramp",
    "normalize_rms",
    "place",
    "prepare_recording",
    "release_hazard",
    "run_basilar_membrane",
    "run_bushy_cell",
    "run_hair_cell",
    "trace",
    "transfer_function",
]
