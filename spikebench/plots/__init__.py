"""Pictures; the only modules that import matplotlib.

::

    fidelity     A comparison as a picture: one panel per measure, with its verdict as the title
    predictions  Answers over time, as a picture
    results      Compared results as a picture: accuracies with their intervals, below them the
                 differences of all pairs
    sample       Pictures of one sample: spikes, and beside them the sound and the stages in
                 between
"""
