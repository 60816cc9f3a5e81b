"""Is a difference shown to be small? Two one-sided tests against a margin that was stated before the study.

That a test finds no difference does not show that there is none. To show it, both "worse by the margin or more" and
"better by the margin or more" have to be rejected (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987), each by a t test
with the spread and freedom that the test for a difference uses.
"""

from collections.abc import Sequence

from scipy import stats

from ablation.stats.block_design import Fit
from ablation.stats.multiplicity import holm


def equivalence_p(fit: Fit, margin_wer: float) -> Sequence[float]:
    """For each arm of the fit, p of "the difference is as large as the margin", adjusted over the arms by Holm.

    A small p shows that the difference lies inside `margin_wer` (a fraction, more than 0). Needs a spread.
    """
    error = fit.scale * fit.spread
    room = (margin_wer - abs(fit.differences)) / error  # the nearer end has the larger p of the two tests
    return holm(stats.t.sf(room, fit.freedom).tolist())
