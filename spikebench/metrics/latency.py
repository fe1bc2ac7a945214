"""Accuracy over time, and the time from which on it stays above 95 % of the final accuracy.

The prediction at time t is that for the clip up to t followed by silence
(:mod:`spikebench.deployment.prediction`). The time to 95 % is the first moment from which on the accuracy is never
below 95 % of that over whole clips. If the curve falls below 95 % again, the last crossing counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from spikebench.metrics.record import Latency, NotApplicable

N_MOMENTS = 20


def latency_of(
    times: Sequence[float], correct: Sequence[int], samples: int
) -> Latency | NotApplicable:
    """Compute the curve of accuracy over time.

    Parameters
    ----------
    times
        End of the part of the clips that was used [s]; the last is their end.
    correct
        Number of correctly classified samples at each time.
    samples
        Total number of samples.

    Returns
    -------
    Latency or NotApplicable
        The curve; not applicable if no sample is correct at the end.

    Raises
    ------
    ValueError
        If the lengths differ or are 0, or a count is outside its range.
    """
    if not times or len(times) != len(correct) or not all(0 <= n <= samples for n in correct):
        raise ValueError(f"{len(times)} moments, {len(correct)} counts of {samples} samples")
    if correct[-1] == 0:
        return NotApplicable(not_applicable="no sample is correct at the end, so there is no 95 %")
    # In integers: n/samples ≥ 0.95·final/samples.
    low = [k for k, n in enumerate(correct) if 20 * n < 19 * correct[-1]]
    return Latency(
        times_s=list(times),
        accuracy=[n / samples for n in correct],
        to_95_percent_s=times[low[-1] + 1 if low else 0],
    )
