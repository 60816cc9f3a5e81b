"""A corpus in S3 from the command line, and in the step that a cluster runs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ablation.results import read_study
from corpora.store import Corpus

ROOT = Path(__file__).parents[3]
Ablate = Callable[..., Any]


def test_push_then_prepare_gives_the_corpus_back(
    ablate: Ablate, bucket: str, small_corpus: Path, tmp_path: Path
) -> None:
    uri = f"s3://{bucket}/small"
    pushed, again = ablate("corpus", "push", small_corpus, uri), ablate("corpus", "push", small_corpus, uri)
    assert (pushed.code, pushed.out, pushed.err) == (0, f"{uri}\n", "5 files sent, the others were there\n")
    assert (again.code, again.out, again.err) == (0, f"{uri}\n", "0 files sent, the others were there\n")
    prepared = ablate("corpus", "prepare", uri, "--root", tmp_path)
    assert (prepared.code, prepared.err.partition(";")[0]) == (0, "52 clips: 40 train, 4 valid, 8 test")
    assert Corpus.open(Path(prepared.out.strip())).fingerprint == Corpus.open(small_corpus).fingerprint


@pytest.mark.parametrize("command", ["push", "prepare"])
def test_a_wrong_secret_is_one_sentence_shows_no_secret_and_leaves_nothing(
    ablate: Ablate,
    bucket: str,
    s3_client: Any,
    small_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    arguments = {"push": [small_corpus, f"s3://{bucket}/a"], "prepare": [f"s3://{bucket}/a", "--root", tmp_path / "c"]}
    answer = ablate("corpus", command, *arguments[command])
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert "does not accept these credentials (SignatureDoesNotMatch)" in answer.err
    assert "not-the-secret" not in answer.err
    assert not (tmp_path / "c").exists()
    assert s3_client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


def test_the_step_of_a_cluster_takes_a_corpus_from_s3(
    ablate: Ablate, bucket: str, small_corpus: Path, tmp_path: Path
) -> None:
    """In processes of their own, as in their containers: no folder of prepared corpora outlives the run."""
    ablate("corpus", "push", small_corpus, f"s3://{bucket}/small")
    code = (
        "from pathlib import Path; from kfp.dsl import Artifact, Dataset;"
        "from components.prepare_corpus import prepare_corpus as step; import sys;"
        "folder = sys.argv[2]; places = dict(reference=Artifact(uri=folder + '/ref'), corpus=Dataset(uri=folder + '/data'));"
        "step.python_func(uri=sys.argv[1], root='', **places);"
        "from components.shared.corpus_reference import CorpusReference; from corpora.store import Corpus;"
        "found = CorpusReference.read(folder + '/ref').data(Path(folder + '/data'), '');"
        "assert Corpus.open(found).verify() == []; print(found)"
    )

    def run(prefix: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", code, f"s3://{bucket}/{prefix}", str(tmp_path / prefix)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ), check=False)

    done = run("small")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(f"fetching the corpus s3://{bucket}/small into ")
    assert not Path(done.stdout.splitlines()[-1]).exists()  # it went with the step
    assert sum(file.stat().st_size for file in (tmp_path / "small").rglob("*") if file.is_file()) < 2000
    missing = run("smal")
    assert missing.returncode == 1
    assert f"error: there is no corpus at s3://{bucket}/smal" in missing.stderr


PLAN = {
    "study": "from-s3",
    "seeds": [1],
    "conditions": {},
    "baseline": {
        "training.steps": 4,
        "training.batch_size": 4,
        "encoder.layers": 1,
        "encoder.width": 32,
        "encoder.feedforward": 64,
    },
    "ablations": [{"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}}],
}


@pytest.mark.slow
def test_a_whole_study_on_a_corpus_in_s3(ablate: Ablate, bucket: str, small_corpus: Path, tmp_path: Path) -> None:
    uri = f"s3://{bucket}/small"
    ablate("corpus", "push", small_corpus, uri)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN | {"corpus": uri}))

    def run(**settings: str) -> "subprocess.CompletedProcess[str]":
        known = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        return subprocess.run(
            [sys.executable, "-m", "cli.main", "run", "plan.yaml"],
            cwd=tmp_path,
            env={**known, "PYTHONPATH": str(ROOT), **settings},
            capture_output=True,
            text=True,
            check=False,
        )

    refused = run(AWS_SECRET_ACCESS_KEY="not-the-secret")
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1)
    assert "does not accept these credentials (SignatureDoesNotMatch)" in refused.stderr
    assert not (tmp_path / "studies").exists()
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    study = read_study(tmp_path / "studies" / "from-s3")
    assert [trial.status for trial in study.trials] == ["finished"] * 2
    assert study.corpus["fingerprint"] == Corpus.open(small_corpus).fingerprint
    [cached] = (path for path in (tmp_path / "corpora-cache").iterdir() if not path.name.startswith("."))
    assert cached.name == f"s3-{study.corpus['fingerprint'][:16]}"
