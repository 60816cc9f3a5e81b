"""The curves of study folders that were written before recipes declared theirs. All are of one model."""

from ablation.records import CurveRecord

EARLIER_CURVES = (
    CurveRecord(name="loss", label="loss"),
    CurveRecord(name="wer/valid", label="WER on the validation split (%)"),
    CurveRecord(name="loss/ctc", label="CTC loss"),
    CurveRecord(name="loss/attention", label="attention loss"),
    CurveRecord(name="loss/masked", label="masked-prediction loss"),
    CurveRecord(name="learning_rate", label="learning rate"),
    CurveRecord(name="fusion/scale", label="learned scale S of the video", learned=True),
    CurveRecord(name="fusion/omega", label="learned weights of the layers", learned=True, family=True),
    CurveRecord(name="mask/audio_fraction", label="masked fraction of audio"),
    CurveRecord(name="mask/audio_run", label="mean masked run of audio (frames)"),
    CurveRecord(name="mask/video_fraction", label="masked fraction of video"),
    CurveRecord(name="mask/video_run", label="mean masked run of video (frames)"),
)
