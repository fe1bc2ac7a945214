"""How early a model is right: accuracy over time, and when it first is 95 % of the final one for good.

What is known after t is what the model says of the clip up to t followed by silence
(:mod:`spikebench.deployment.prediction`). The time to 95 % is the first moment from which on the accuracy is never
below 95 % of that over whole clips; a curve that falls again counts from where it has risen for the last time.
"""

from __future__ import annotations

from collections.abc import Sequence

from spikebench.metrics.record import Latency, NotApplicable

N_MOMENTS = 20


def latency_of(
    times: Sequence[float], correct: Sequence[int], samples: int
) -> Latency | NotApplicable:
    """Make a curve of how many samples are right at each moment.

    Parameters
    ----------
    times
        End of the part of the clips that was used [s]; the last is their end.
    correct
        Samples that are right at each.
    samples
        Of how many.

    Returns
    -------
    Latency or NotApplicable
        The curve; without a sample that is right in the end it has no 95 %.

    Raises
    ------
    ValueError
        If the numbers do not fit.
    """
    if not times or len(times) != len(correct) or not all(0 <= n <= samples for n in correct):
        raise ValueError(f"{len(times)} moments, {len(correct)} counts of {samples} samples")
    if correct[-1] == 0:
        return NotApplicable(not_applicable="no sample is right at the end, so there is no 95 %")
    # In whole numbers: n/samples ≥ 0.95·final/samples.
    low = [k for k, n in enumerate(correct) if 20 * n < 19 * correct[-1]]
    return Latency(
        times_s=list(times),
        accuracy=[n / samples for n in correct],
        to_95_percent_s=times[low[-1] + 1 if low else 0],
    )
