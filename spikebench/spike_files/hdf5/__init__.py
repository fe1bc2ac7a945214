"""Reading the structures of an HDF5 file within bounds, without the HDF5 library.

::

    format   The structures of an HDF5 file from an untrusted source, read without the HDF5 library
    heap     The elements of variable-length arrays: objects of the heap of an HDF5 file, each whole
             and used once
    storage  Where the elements of an array of an HDF5 file lie, and what undoes their filters
"""
