"""A config of another toolkit is changed at some keys, and stays as it is everywhere else."""

import json
from pathlib import Path

import pytest
import yaml

from common.errors import UserError
from recipes.command import config_file

SPEECHBRAIN = """
seed: 1
lr: 1e-3
output: !ref results/<seed>
model: !new:speechbrain.nnet.CNN
  kernel: !ref <seed>
  layers: [{dim: 8}, {dim: 16}]
base: &base {dropout: 0.1, yes: no}
encoder: {<<: *base, dim: 4}
decoder: *base
"""


def changed(folder: Path, text: str, changes: dict[str, object], name: str = "conf.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return config_file.read(path).write(changes, folder / f"new-{name}").read_text()


class Loader(yaml.SafeLoader):
    """Reads tags of other toolkits as (tag, value)."""


def tagged(loader: Loader, tag: str, node: yaml.Node) -> tuple[str, object]:
    if isinstance(node, yaml.MappingNode):
        return tag, loader.construct_mapping(node, deep=True)
    return tag, loader.construct_scalar(node)  # type: ignore[arg-type]


Loader.add_multi_constructor("!", tagged)


def test_only_the_keys_change(tmp_path: Path) -> None:
    before = yaml.load(SPEECHBRAIN, Loader)
    text = changed(tmp_path, SPEECHBRAIN, {"lr": 1e-05, "model.layers.1.dim": 32, "decoder.dropout": 0.5})
    after = yaml.load(text, Loader)
    assert (after.pop("lr"), before.pop("lr")) == (1e-05, "1e-3")
    assert after["model"][1].pop("layers") == [{"dim": 8}, {"dim": 32}]
    assert before["model"][1].pop("layers") == [{"dim": 8}, {"dim": 16}]
    assert (after.pop("decoder")["dropout"], before.pop("decoder")["dropout"]) == (0.5, 0.1)
    assert after == before  # encoder and base share a mapping with decoder, and keep theirs


def test_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    text = changed(tmp_path, SPEECHBRAIN, {"seed": 2})
    assert "lr: 1e-3" in text
    assert "!new:speechbrain.nnet.CNN" in text


def test_a_merged_key_can_be_changed(tmp_path: Path) -> None:
    after = yaml.load(changed(tmp_path, SPEECHBRAIN, {"encoder.dropout": 0.9}), Loader)
    assert (after["encoder"]["dropout"], after["base"]["dropout"]) == (0.9, 0.1)


def test_json_stays_json(tmp_path: Path) -> None:
    text = changed(tmp_path, '{"a": {"b": [1, 1e5]}, "c": "é"}', {"a.b.0": None}, "conf.json")
    assert json.loads(text) == {"a": {"b": [None, 1e5]}, "c": "é"}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("model.kernal", "has no key 'model.kernal': did you mean 'model.kernel'?"),
        ("modell.kernel", "did you mean"),
        ("model.layers.2.dim", "has no key 'model.layers.2.dim'"),
        ("seed.x", "has no key 'seed.x'"),
    ],
)
def test_a_key_that_the_config_lacks_is_refused(tmp_path: Path, key: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        changed(tmp_path, SPEECHBRAIN, {key: 1})
    assert said in str(caught.value)
    assert "to set a new key, add it to conf.yaml with the value of the baseline" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "a: b: c", "\t"])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError, match=r"c\.yaml"):
        config_file.read(tmp_path / "c.yaml")
