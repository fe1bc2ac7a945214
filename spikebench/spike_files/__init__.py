"""Spike files: the published HDF5 layout, reading, writing, checks and the fingerprint.

::

    copies       Which samples are copies of one recording, found by their spikes or by the file
                 that they were made from
    fingerprint  Fingerprint of a spike file: a hash of its contents
    guard        Files from untrusted sources: what is checked before any array of an HDF5 file is read
    layout       The published HDF5 layout of spike files: names, types and limits
    reader       Spike files: HDF5 in the layout in which SHD and SSC were published, with more
                 known per sample
    remarks      Remarks on the samples of a valid spike file: copies of recordings, samples
                 without spikes
    report       What a spike file holds, as numbers, and whether it keeps every rule of the layout
    writer       Writing spike files, whole or not at all
    hdf5/        Reading the structures of an HDF5 file within bounds, without the HDF5 library
"""
