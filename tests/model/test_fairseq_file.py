"""Reading what fairseq writes: its settings in foreign classes, w2v_args, defaults; and nothing that runs code."""

import argparse
import builtins
import enum
import os
import pickle
import subprocess
import typing
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from av_hubert_file import HEADS, build, lend, save

from common.errors import UserError
from model.fairseq_file import read

PUBLISHED = {"layer_norm_first": True, "encoder_attention_heads": HEADS}


class Metadata:
    """omegaconf's: the types of a node, as classes."""

    def __init__(self, object_type: type) -> None:
        self.ref_type: Any = typing.Tuple[float, float]  # noqa: UP006
        self.object_type, self.key_type = object_type, str
        self.flags = defaultdict(dict, a={})


class IntegerNode:
    """omegaconf's: it stands for all nodes of a value."""

    def __init__(self, value: object) -> None:
        self._metadata, self._parent, self._val = Metadata(type(value)), None, value


class DictConfig:
    """omegaconf's, as far as a pickle shows it."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._metadata, self._parent, self._content = Metadata(dict), None, {}
        for name, value in content.items():
            node = DictConfig(value) if isinstance(value, dict) else IntegerNode(value)
            node._parent = self
            self._content[name] = node


class Choices(enum.Enum):
    gelu = "gelu"
    relu = "relu"


@pytest.fixture
def omegaconf(monkeypatch: pytest.MonkeyPatch) -> type[DictConfig]:
    lend(monkeypatch, Metadata, "omegaconf.base")
    lend(monkeypatch, IntegerNode, "omegaconf.nodes")
    lend(monkeypatch, DictConfig, "omegaconf.dictconfig")
    lend(monkeypatch, Choices, "fairseq.dataclass.constants")
    return DictConfig


def test_nodes_of_omegaconf_and_the_types_that_they_name_are_read(tmp_path: Path, omegaconf: type[DictConfig]) -> None:
    model = PUBLISHED | {"activation_fn": Choices.gelu, "dropout": 0.1}
    save(tmp_path / "a.pt", cfg=omegaconf({"model": model, "task": {"normalize": True}}))
    found = read(tmp_path / "a.pt")
    assert found.encoder == model | {"activation_fn": "gelu"}
    assert found.task == {"normalize": True}
    build(tmp_path / "a.pt")


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("prefix", ["encoder.w2v_model.", "w2v_encoder.w2v_model."])
def test_the_encoders_settings_of_a_fine_tuned_file_are_in_w2v_args(
    tmp_path: Path, omegaconf: type[DictConfig], prefix: str, flat: bool
) -> None:
    if flat:
        cfg: dict[str, Any] = {"args": argparse.Namespace(w2v_path="p", w2v_args=argparse.Namespace(**PUBLISHED))}
    else:
        cfg = {"cfg": omegaconf({"model": {"w2v_path": "p", "w2v_args": {"model": PUBLISHED}}})}
    _, weights = save(tmp_path / "a.pt", prefix=prefix, **cfg)
    found = read(tmp_path / "a.pt")
    assert found.encoder == PUBLISHED
    assert weights.keys() < found.tensors.keys()
    build(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("cfg", "plan", "says"),
    [
        ({}, {"encoder.norm_first": True}, "layer_norm_first: False, .* set encoder.norm_first: false"),
        ({"layer_norm_first": True}, {}, "encoder_attention_heads: 12, .* has 4; set encoder.heads: 12"),
        (PUBLISHED | {"activation_fn": Choices.relu}, {}, "activation_fn: relu, .* cannot be used here"),
        (PUBLISHED, {"encoder.layers": 3}, "encoder_layers: 2, .* set encoder.layers: 2"),
        (PUBLISHED, {"encoder.feedforward": 64}, "ffn_embed_dim: 96, .* set encoder.feedforward: 96"),
        (PUBLISHED, {"encoder.position_groups": 8}, "conv_pos_groups: 16, .* set encoder.position_groups: 16"),
        (PUBLISHED, {"encoder.width": 128}, "encoder_embed_dim: 64, .* set encoder.width: 64"),
    ],
)
def test_an_absent_setting_has_fairseqs_default(
    tmp_path: Path, omegaconf: type[DictConfig], cfg: dict[str, Any], plan: dict[str, Any], says: str
) -> None:
    save(tmp_path / "a.pt", cfg=omegaconf({"model": cfg}))
    with pytest.raises(UserError, match=says) as raised:
        build(tmp_path / "a.pt", **plan)
    assert "\n" not in str(raised.value)


def test_a_file_without_settings_is_taken_with_a_remark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "a.pt")
    build(tmp_path / "a.pt")
    assert "the checkpoint has no settings, so norm_first and the heads are the plan's" in capsys.readouterr().out


def test_newer_names_of_the_convolutional_positions_are_read(tmp_path: Path) -> None:
    _, weights = save(tmp_path / "a.pt")
    renamed = {name.replace(".0.weight_g", ".0.parametrizations.weight.original0"): w for name, w in weights.items()}
    torch.save({"model": renamed}, tmp_path / "b.pt")
    assert read(tmp_path / "b.pt").tensors.keys() == weights.keys()


class Asks:
    """A pickle that asks for a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.asked = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.asked


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (builtins.eval, ("open('ran', 'w')",)),
        (builtins.exec, ("open('ran', 'w')",)),
        (builtins.getattr, (dict, "fromkeys")),
        (builtins.__import__, ("os",)),
        (os.system, ("touch ran",)),
        (subprocess.Popen, (["touch", "ran"],)),
        (sentencepiece.SentencePieceTrainer, ()),
        (torch.load, ("ran",)),
    ],
)
@pytest.mark.parametrize("place", ["cfg", "task_state", "model"])
def test_a_call_in_a_pickle_is_refused_in_one_sentence_and_not_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[..., Any],
    arguments: tuple[object, ...],
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"a": torch.ones(1)}} | {place: {"x": Asks(function, *arguments)}}, "a.pt")
    with pytest.raises(
        UserError, match=r"more than tensors and settings: its pickle asks for .*, which is not run"
    ) as raised:
        read(Path("a.pt"))
    assert str(raised.value).count("a.pt") == 1
    assert "cannot be read" not in str(raised.value)
    assert not Path("ran").exists()


@pytest.mark.parametrize(("kind", "argument"), [(int, "7"), (dict, [("a", 1)]), (list, (1, 2))])
def test_an_admitted_class_is_inert(tmp_path: Path, kind: type, argument: object) -> None:
    torch.save({"model": {"a": torch.ones(1)}, "cfg": {"model": {"x": Asks(kind, argument)}}}, tmp_path / "a.pt")
    found = read(tmp_path / "a.pt").encoder
    assert found is not None
    assert found["x"] == (list(argument) if isinstance(argument, tuple) else [["a", 1]] if kind is dict else "7")


def test_settings_that_contain_themselves_are_refused(tmp_path: Path, omegaconf: type[DictConfig]) -> None:
    cfg = omegaconf({"model": {}})
    cfg._content["model"]._content["again"] = cfg
    save(tmp_path / "a.pt", cfg=cfg)
    with pytest.raises(UserError, match=r"the settings in .* contain themselves"):
        read(tmp_path / "a.pt")


def test_files_that_are_damaged_or_old_get_their_own_sentence(tmp_path: Path) -> None:
    good = tmp_path / "a.pt"
    torch.save({"model": {"a": torch.ones(1000)}}, good)
    content = good.read_bytes()
    torch.save({"model": {"a": torch.ones(3)}}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps({"model": 1}))
    for name, damaged in {"cut.pt": content[:900], "empty.pt": b"", "turned.pt": content[:200] + content[300:]}.items():
        (tmp_path / name).write_bytes(damaged)
    for name in ("cut.pt", "empty.pt", "turned.pt"):
        with pytest.raises(UserError, match="cannot be read as a PyTorch checkpoint"):
            read(tmp_path / name)
    for name in ("old.pt", "pickle.pt"):
        with pytest.raises(UserError, match=r"has PyTorch's format before 1\.6; load it yourself"):
            read(tmp_path / name)
