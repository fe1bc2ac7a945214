"""Resumable conversion of a folder of recordings into a spike file; making shd-r and ssc-r.

::

    budget        The encoder with a wanted number of spikes, found on training recordings only
    job           The steps of one conversion: read and encode the unfinished recordings, store
                  them in the journal, write the spike file from it
    journal       Finished recordings of a conversion, stored beside its output: ``OUT.h5.partial``
    recipe_clips  The recordings of a folder that belong to a data set to be made again, in the
                  order of the data set
    regeneration  SHD and SSC made again from their audio: one conversion per split, by a recipe
    runner        Recordings into a spike file: find, name, encode in parallel, write in order
"""
