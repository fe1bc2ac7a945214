"""The published HDF5 layout of spike files: names, types and limits.

::

    /spikes/times          [N] variable length, float32 (float16 in the published files), seconds
    /spikes/units          [N] variable length, uint16; 0 is the highest frequency
    /labels                [N] int64, -1 unknown
    /extra/speaker         [N] int64, -1 unknown
    /extra/keys            [classes] UTF-8 strings of fixed length, index = label
    /extra/speaker_names   [speakers] strings, index = speaker; only where speakers had to be numbered
    /extra/split           [N] strings train, validation, test or empty; only where one is known
    /extra/source          [N] strings, path below the folder that was converted
    /extra/sha256          [N] strings, of the source file, hexadecimal
    /extra/sample_rate_hz  [N] int64, rate of the source
    /extra/duration_s      [N] float64, length of the source
    /extra/audio_channels  [N] int64, channels of the source before mixing down
    /extra/segment         [N] int64, number of the segment, from 1; only if recordings were cut
    /extra/start_s         [N] float64, start of the segment in the source; only if recordings were cut

Attributes of the root describe how the file was made: ``format``, ``format_version``, ``n_units``, ``time_unit``,
``time_origin`` and the provenance passed to the writer; values that are neither numbers nor strings are stored as JSON
under a name that ends in ``_json``. Published files have none of them: they have 700 units.

Arrays are chunked, with shuffle and gzip. HDF5 stores the values of variable-length elements in a heap without filters,
so the spikes themselves are not compressed (6.0 bytes per spike, measured); only their references and the per-sample
arrays are. This is the cost of compatibility with existing SHD loaders.
The same contents give the same bytes with the same version of HDF5: no time stamps are stored.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ARRAYS",
    "FLOATS",
    "FORMAT",
    "FORMAT_VERSION",
    "MAX_TIME_S",
    "MAX_UNITS",
    "PUBLISHED_UNITS",
    "SPLITS",
    "STORED",
]

FORMAT = "spikebench spikes"
FORMAT_VERSION = 1
PUBLISHED_UNITS = 700
MAX_UNITS = 2**16
MAX_TIME_S = 1e5
SPLITS = ("train", "validation", "test", "")
# Precision, position and size of exponent and mantissa, and bias, of IEEE 754.
FLOATS = {
    (2, 15, 0, 16, 10, 5, 0, 10, 15): "f2",
    (4, 31, 0, 32, 23, 8, 0, 23, 127): "f4",
    (8, 63, 0, 64, 52, 11, 0, 52, 1023): "f8",
}


@dataclass(frozen=True)
class _Array:
    """One array of the layout: the type of its values, and whether it has one element per sample."""

    kind: str
    per_sample: bool = True
    required: bool = False


ARRAYS = {
    "spikes/times": _Array("sequence of float", required=True),
    "spikes/units": _Array("sequence of integer", required=True),
    "labels": _Array("integer", required=True),
    "extra/speaker": _Array("integer"),
    "extra/keys": _Array("string", per_sample=False),
    "extra/speaker_names": _Array("string", per_sample=False),
    "extra/split": _Array("string"),
    "extra/source": _Array("string"),
    "extra/sha256": _Array("string"),
    "extra/sample_rate_hz": _Array("integer"),
    "extra/duration_s": _Array("float"),
    "extra/audio_channels": _Array("integer"),
    "extra/segment": _Array("integer"),
    "extra/start_s": _Array("float"),
}
# Kind of an array → the type in which it is written; strings have the length of the longest one.
STORED = {"integer": "int64", "float": "float64", "string": "S"}
