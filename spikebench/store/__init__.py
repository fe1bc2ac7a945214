"""Data sets on this machine: locate, download, unpack, pin, verify.

::

    archive       Members of an untrusted tar or zip file, listed before anything is written
    contents      Data sets on this machine: get missing files, check present files, report the
                  state
    download      One download of a data set: the file in its folder, or from the first address
                  that delivers it completely
    fingerprints  Cached fingerprints of data sets, so that a file is read for it only once
    folder        Location of data sets: one folder each, below ``$SPIKEBENCH_DATA`` or the
                  user's cache
    locate        Finding the spike files of a data set on this machine
    manifest      ``SHA256SUMS``: the recordings in a data set's folder, in the format of
                  ``sha256sum --check``
    pins          Expected contents of a file: its published hash, or its SHA-256 when it was
                  first checked
    registered    Whether spike files made from recordings are the registered data set, and if
                  not, where they differ
    transfer      Download of one file over https, resuming an earlier transfer
    unpacking     Unpacking of untrusted archives: only expected members, bounded and checked,
                  completely or not at all
"""
