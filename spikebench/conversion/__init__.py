"""From a folder of recordings to a spike file, resumable; making shd-r and ssc-r.

::

    job           The work of one conversion: read what is missing, encode it, keep it, write the
                  file from what was kept
    journal       What a conversion has done so far, beside the file it makes: ``OUT.h5.partial``
    recipe_clips  Which recordings of a folder belong to a data set that is made again, in its
                  order
    regeneration  SHD and SSC again, from their audio: one conversion per split, by a recipe
    runner        Recordings into a spike file: find, name, encode side by side, write in order
"""
