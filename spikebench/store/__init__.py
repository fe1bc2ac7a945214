"""Data sets on this machine: locate, download, unpack, pin, verify.

::

    archive       What stands in an untrusted tar or zip file, member by member, before anything
                  of it is written
    contents      Data sets on this machine: get what is missing, check what is there, say what
                  there is
    download      One download of a data set: from where it lies already, or from the first
                  address that gives it whole
    fingerprints  Fingerprints of data sets, kept so that a file is read for it only once
    folder        Where data sets lie: one folder each, below ``$SPIKEBENCH_DATA`` or the user's
                  cache
    locate        Finding the spike files of a data set on this machine
    manifest      ``SHA256SUMS``: which recordings a data set's folder holds, as ``sha256sum
                  --check`` reads it
    pins          What a file should be: by its published hash, or by the SHA-256 that it had when
                  it was first checked
    registered    Whether spike files made from recordings are the registered data set, and if
                  not, where they differ
    transfer      One file over https, taken up where an earlier transfer stopped
    unpacking     Untrusted archives: only what is expected comes out, bounded, checked, whole
                  or not at all
"""
