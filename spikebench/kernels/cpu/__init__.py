"""The kernels on a CPU: compiled loops on several threads.

::

    launch   The kernels on a CPU: compiled loops, shared among threads;
             :mod:`spikebench.kernels.operators` calls them
    loops    The loops of the CPU kernels: plain arithmetic on arrays, compiled, without the
             interpreter's lock
    memory   Memory of arrays: on the edges of cache lines, and used again where it is large
    threads  Threads that share a batch
    vectors  Rows of a table, added: the two inner loops of event-driven products, with vectors written
             out
"""
