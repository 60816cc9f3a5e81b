"""The names of metrics where a heading or a sentence begins."""

from ablation.stats.metrics import Metric

# Names of measures that a heading writes in capitals.
CAPITALS = (
    "wer cer ter per mer der jer eer auc auroc auprc mrr ndcg mcc psnr ssim ms-ssim snr si-snr sdr si-sdr pesq stoi estoi mos bleu "
    "iou nll ppl bpc bpb mae mse rmse mape ece fid fad kid lpips mcd rtf"
)


def heading(metric: Metric) -> str:
    """Return the full name of a metric, such as `Word error rate`, `Accuracy`, `PSNR` or `mAP`."""
    if metric.name.casefold() in CAPITALS.split() and not metric.is_rate:
        return metric.name.upper() if metric.name.islower() else metric.name
    return metric.label[:1].upper() + metric.label[1:] if metric.label.islower() else metric.label
