"""Writers of hypothesis files in the layouts of several toolkits, from aligned words: utterance id -> (said, heard) pairs."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any


def texts(aligned: Mapping[str, Any], side: int) -> dict[str, str]:
    return {name: " ".join(pair[side] for pair in pairs if pair[side]) for name, pairs in aligned.items()}


def sclite_trn(side: int) -> Callable[[Any], str]:
    return lambda aligned: "".join(f"{text} ({name})\n" for name, text in texts(aligned, side).items())


def espnet_trn(side: int) -> Callable[[Any], str]:
    """As scored by ESPnet: a tab, and speaker and utterance in brackets."""
    return lambda aligned: "".join(f"{text}\t({name[:2]}-{name})\n" for name, text in texts(aligned, side).items())


def fairseq(side: int) -> Callable[[Any], str]:
    """`hypo.word-*.txt` and `ref.word-*.txt` of fairseq: no speakers, and the number of an utterance in the data as its id."""
    return lambda aligned: "".join(
        f"{text} (None-{number})\n" for number, text in reversed([*enumerate(texts(aligned, side).values())])
    )


def kaldi(side: int) -> Callable[[Any], str]:
    return lambda aligned: "".join(f"{name} {text}".rstrip() + "\n" for name, text in texts(aligned, side).items())


def nemo(aligned: Any) -> str:
    """A manifest with predictions, whose suffix is .json."""
    said, heard = texts(aligned, 0), texts(aligned, 1)
    records = [
        {"audio_filepath": f"/data/wav/{name}.wav", "duration": 2.5, "text": said[name], "pred_text": heard[name]}
        for name in aligned
    ]
    return "".join(json.dumps(record) + "\n" for record in records)


def av_hubert(aligned: Any) -> str:
    """Lists by name, as fairseq's AV-HuBERT dumps its results."""
    said, heard = texts(aligned, 0), texts(aligned, 1)
    ids = [f"test/{name}" for name in aligned]
    return json.dumps({"utt_id": ids, "ref": [*said.values()], "hypo": [*heard.values()]}, indent=4)


def own_names(aligned: Any) -> str:
    """Lines with names that only --keys can explain, as scripts for auto_avsr and Hugging Face write them."""
    said, heard = texts(aligned, 0), texts(aligned, 1)
    return "".join(json.dumps({"sample": name, "gold": said[name], "out": heard[name]}) + "\n" for name in aligned)


def table(separator: str) -> Callable[[Any], str]:
    def write(aligned: Any) -> str:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator)
        writer.writerow(["utt_id", "hypothesis", "reference"])
        writer.writerows([name, texts(aligned, 1)[name], texts(aligned, 0)[name]] for name in aligned)
        return out.getvalue()

    return write


def recogs(aligned: Any) -> str:
    """Two lines per utterance with lists of words, and a line of time stamps, which streaming recipes add."""
    said, heard = texts(aligned, 0), texts(aligned, 1)
    return "".join(
        f"{name}:\tref={said[name].upper().split()}\n{name}:\thyp={heard[name].upper().split()}\n"
        f"{name}:\ttimestamp_hyp=[0.040, 0.120]\n"
        for name in aligned
    )


def errs(aligned: Any) -> str:
    """The alignments of icefall, with neighbouring errors put together, and the sections around them."""
    lines = []
    for name, pairs in aligned.items():
        pieces: list[str] = []
        wrong: list[list[str]] = [[], []]
        for said, heard in [*pairs, ("end", "end")]:
            if said != heard:
                wrong[0] += [said] if said else []
                wrong[1] += [heard] if heard else []
                continue
            if any(wrong):
                pieces.append("({}->{})".format(*(" ".join(side) or "*" for side in wrong)))
                wrong = [[], []]
            pieces.append(said)
        lines.append(f"{name}:\t{' '.join(pieces[:-1])}")
    head = "%WER = 9.99\nErrors: 1 insertions, 2 deletions, 3 substitutions, over 99 reference words (94 correct)\nSearch below\n\n"
    return (
        head
        + "PER-UTT DETAILS: corr or (ref->hyp)  \n"
        + "\n".join(lines)
        + "\n\nSUBSTITUTIONS: count ref -> hyp\n1   a -> b\n"
    )
