"""The headline of a study that gives no verdict: why there is none, and what would give one."""

from ablation.decisions.verdict import Overall
from ablation.report.content import Content
from ablation.report.verdict_wording import REASONS
from ablation.stats.verdict import NotTested


def no_verdicts(content: Content) -> str:
    """Return the sentence; empty if an arm or a contrast has a verdict."""
    if content.comparison.empty:
        return _nothing_finished(content)
    found = {each.verdict for each in content.verdicts.values()}
    found |= {each.verdict for each in content.contrast_verdicts}
    if found - {Overall.NOT_TESTED}:
        return ""
    if not found:
        return "No verdicts: the study has the baseline only."
    if len(content.study.seeds) < 2:
        return (
            "No verdicts: with one seed, a difference cannot be told from chance. Two seeds give verdicts, and each further seed "
            "makes smaller differences visible."
        )
    reasons = dict.fromkeys(
        REASONS[each.why_not_tested or NotTested.NO_TRIAL]
        for verdict in content.verdicts.values()
        for each in verdict.conditions
    )
    return f"No verdicts: {'; '.join(reasons) or REASONS[NotTested.NO_TRIAL]}."


def _nothing_finished(content: Content) -> str:
    failed = content.study.failed()
    if not failed:
        return "No verdicts: no trial has a result."
    reasons = dict.fromkeys(trial.reason or "no reason given" for trial in failed)
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"No verdicts: all {len(failed)} trials failed. The reason: {next(iter(reasons))}{more}. See Failed trials."
