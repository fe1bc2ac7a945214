"""Reports of commands as text.

::

    chance             The warning for a network whose accuracy cannot be distinguished from
                       chance
    comparison         Compared spike files in a terminal: a verdict for every measure, and its
                       figures
    continual          A study of learning task after task in a terminal: one table per sequence of
                       tasks and model
    fewshot            A study of few-shot learning in a terminal: the accuracy of every network
                       with every method
    fresh_comparison   Entries on fresh recordings in a terminal: recordings used and left out,
                       and the accuracy of each entry
    metrics            Cost metrics in a terminal: means over the seeds, counts per sample
    noise              A study of noise in a terminal: areas, and the accuracy of every model
                       under every condition
    parameters         Parameters of a conversion as lines of name, value and unit
    pruning            A study of pruning in a terminal: one table per model
    result_comparison  Compared results in a terminal: accuracies, costs, and which of them
                       differ
    timing             A study of timing in a terminal: the accuracy of every model under every
                       condition
"""
