"""Equivalence tests: two one-sided tests against a margin that the plan states before the study.

A test that finds no difference does not show that there is none. To show it, both "worse by the margin or more" and "better by
the margin or more" have to be rejected (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987), each by a t test with the standard
deviation and the degrees of freedom of the test for a difference.
"""

from collections.abc import Sequence

from ablation.stats import tails
from ablation.stats.block_design import Fit
from ablation.stats.multiplicity import holm


def equivalence_p(fit: Fit, margin_wer: float) -> Sequence[float]:
    """Return, for each arm of the fit, p of "the difference is as large as the margin", adjusted over the arms by Holm.

    A small p shows that the difference is inside `margin_wer` (a fraction, more than 0). Needs a positive `fit.sd`.
    """
    error = fit.scale * fit.sd
    t = (margin_wer - abs(fit.differences)) / error  # the nearer bound has the larger p of the two tests
    return holm(tails.t_sf(t, fit.df).tolist())
