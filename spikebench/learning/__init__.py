"""What an update of the weights is: loss, optimiser, and processes that train together.

::

    optimisation  What is minimised, and how: loss, regulariser, optimiser, schedule
    ranks         Processes that train one model together, as ``torchrun`` starts them
"""
