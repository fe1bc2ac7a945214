"""Spike files: the published HDF5 layout, reading, writing, validation and the fingerprint.

::

    averages     Mean number of spikes of every class by unit and time
    copies       Finding samples that are copies of one recording, by their spikes or by their
                 source files
    fingerprint  Fingerprint of a spike file: a hash of its contents
    guard        Validation of untrusted files before any array of an HDF5 file is read
    joining      Joining spike files of the same encoder, seed and classes, such as one file per
                 split, into one
    layout       The published HDF5 layout of spike files: names, types and limits
    reader       Reading spike files: HDF5 in the layout in which SHD and SSC were published, with
                 additional data per sample
    remarks      Remarks on the samples of a valid spike file: copies of recordings, samples
                 without spikes
    report       Statistics of a spike file, and validation against the rules of the layout
    writer       Writing spike files, whole or not at all
    hdf5/        Reading the structures of an HDF5 file with limits, without the HDF5 library
"""
