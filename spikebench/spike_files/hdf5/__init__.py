"""Reading the structures of an HDF5 file with limits, without the HDF5 library.

::

    format   The structures of an HDF5 file from an untrusted source, read without the HDF5 library
    heap     The elements of variable-length arrays: objects of the heap of an HDF5 file, each used
             whole and once
    storage  The storage of arrays of an HDF5 file: location of the elements, and their filters
"""
