"""Files of weights and graphs that are not what their name says: refused before a library is given a byte."""

import ast
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from google.protobuf.wrappers_pb2 import BytesValue
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from safetensors.numpy import save

from attendant.manifest import FileEntry, ManifestError, VersionManifest, describe
from attendant.model_files import HEADER_LIMIT, check_graph, check_weights
from attendant.models import store
from attendant.models.runtime import open_verified
from attendant.models.store import load_weights

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS, GRAPH = Path("1/hfm.safetensors"), Path("1/hfm.onnx")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def zip_of(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr(name, content)
    return file.getvalue()


def array():
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    return file.getvalue()


def saved():
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, file)
    return file.getvalue()


def old_saved():
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


PICKLES = {
    "pickle": (pickle.dumps(Bomb()), "but a pickle"),
    "pickle 2": (pickle.dumps(Bomb(), protocol=2), "but a pickle"),
    "torch.save": (saved(), "but a zip file, as torch.save writes"),
    "torch.save of old": (old_saved(), "but a pickle"),
    "zip": (zip_of("archive/data.pkl", pickle.dumps(Bomb())), "but a zip file"),
    "numpy": (array(), "but a numpy file"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_named_like_weights_is_called_one(name):
    data, said = PICKLES[name]
    with pytest.raises(ManifestError, match=rf"1/hfm\.safetensors: not a safetensors file {said}.*not read"):
        check_weights(WEIGHTS, data)
    with pytest.raises(ManifestError, match=rf"1/hfm\.onnx: not an ONNX file {said}"):
        check_graph(GRAPH, data)


@pytest.mark.parametrize("name", PICKLES)
def test_it_is_refused_before_any_library_sees_it(name, tmp_path, monkeypatch):
    for file in ("hfm.safetensors", "hfm.onnx"):
        (tmp_path / file).write_bytes(PICKLES[name][0])
    refuse_all_libraries(monkeypatch)
    with pytest.raises(ManifestError, match="pickle"):
        load_weights(tmp_path, describe(tmp_path, tmp_path / "hfm.safetensors"))
    with pytest.raises(ManifestError, match="pickle"):
        open_verified(tmp_path, describe(tmp_path, tmp_path / "hfm.onnx"))


@pytest.mark.parametrize("change", ["byte", "length", "missing", "link"])
def test_a_changed_file_is_refused_before_any_library_sees_it(change, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in (("hfm.safetensors", save({"a": np.zeros(4, np.float32)})), ("hfm.onnx", graph())):
        (folder / name).write_bytes(content)
    entries = [describe(folder, path) for path in sorted(folder.iterdir())]
    for path in sorted(folder.iterdir()):
        content = bytearray(path.read_bytes())
        if change == "byte":
            content[-1] ^= 1
            path.write_bytes(content)
        elif change == "length":
            path.write_bytes(content + b"\0")
        else:
            path.rename(tmp_path / path.name)
        if change == "link":
            path.symlink_to(tmp_path / path.name)
    refuse_all_libraries(monkeypatch)
    said = {
        "byte": "its sha256 is",
        "length": "bytes; the manifest",
        "missing": "no such file",
        "link": "leaves the",
    }
    with pytest.raises(ManifestError, match=said[change]):
        open_verified(folder, entries[0])
    with pytest.raises(ManifestError, match=said[change]):
        load_weights(folder, entries[1])


def test_what_is_whole_is_loaded(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(save({"a": np.arange(4, dtype=np.float16)}))
    (tmp_path / "a.onnx").write_bytes(graph())
    weights = load_weights(tmp_path, describe(tmp_path, tmp_path / "a.safetensors"))
    assert weights["a"].tolist() == [0, 1, 2, 3]
    session = open_verified(tmp_path, describe(tmp_path, tmp_path / "a.onnx"))
    assert session.run(("y",), {"x": np.array([3], np.float32)})[0].tolist() == [5]


def refuse_all_libraries(monkeypatch):
    def refuse(*_args, **_options):
        pytest.fail("a library was given the file")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    monkeypatch.setattr(store, "load", refuse)


def tensors(header, data=b"", *, length=None):
    header = json.dumps(header).encode() if isinstance(header, dict) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(*offsets, dtype="F32", shape=(1,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            tensors({}, length=HEADER_LIMIT + 1),
            rf"header has {HEADER_LIMIT + 1} bytes; at most {HEADER_LIMIT}",
        ),
        (tensors(b"{" + b" " * HEADER_LIMIT + b"}"), "at most"),
        (b"\xff" * 8, "header has 18446744073709551615 bytes"),
        (tensors({}, length=100), "ends inside its header"),
        (b"", "ends inside its header"),
        (b"\x02\0\0", "ends inside its header"),
        (tensors(b"[1]"), "its header is no object"),
        (tensors(b"nonsense"), "its header is not JSON"),
        (tensors(b"[" * 100_000), "its header is not JSON"),
        (tensors(b'{"a": 1, "a": 2}'), "twice"),
        (tensors({"a": 3}), "not a safetensors file"),
        (tensors({"a": {"dtype": "F32", "shape": [1]}}), "'data_offsets' is missing"),
        (tensors({"a": tensor(0, 4, dtype="OBJECT")}, bytes(4)), "'a' has the type 'OBJECT'"),
        (tensors({"a": tensor(0, 4)}, bytes(3)), "take 4 bytes of 3"),
        (tensors({"a": tensor(0, 4)}, bytes(5)), "take 4 bytes of 5"),
        (tensors({"a": tensor(4, 8)}, bytes(8)), "overlap or leave gaps"),
        (tensors({"a": tensor(0, 4), "b": tensor(0, 4)}, bytes(4)), "overlap or leave gaps"),
        (tensors({"a": tensor(-4, 0)}, b""), "no shape or no place"),
        (tensors({"a": tensor(4, 0)}, bytes(4)), "another size"),
        (tensors({"a": tensor(0, 4, shape=(2,))}, bytes(4)), "'a' has a shape of another size"),
        (tensors({"a": tensor(0, 4, shape=(1.0,))}, bytes(4)), "no shape"),
        (tensors({"a": tensor(0, 4, shape=(1 << 62, 1 << 62))}, bytes(4)), "no shape"),
        (tensors({"a": tensor(0, 4, shape=(1,) * 9)}, bytes(4)), "no shape"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_header_that_lies_is_named(data, said):
    with pytest.raises(ManifestError, match=said) as caught:
        check_weights(WEIGHTS, data)
    assert str(caught.value).startswith("1/hfm.safetensors: ")
    assert "\n" not in str(caught.value)


def test_a_header_as_long_as_a_pickle_begins_is_no_pickle():
    content = save({"a": np.zeros(1, np.float32)}, {"note": "x" * 40})
    assert content[0] == 0x80
    check_weights(WEIGHTS, content)


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.tuples(st.sampled_from(["f2", "f4", "i8", "u1", "?"]), st.lists(st.integers(0, 3), max_size=3)),
        max_size=4,
    )
)
def test_whatever_safetensors_writes_is_taken(described):
    check_weights(WEIGHTS, save({name: np.zeros(shape, dtype) for name, (dtype, shape) in described.items()}))


@given(st.data())
def test_damaged_weights_and_graphs_are_taken_or_named(data):
    for whole, check in ((save({"a": np.ones((2, 2), np.float32)}), check_weights), (graph(), check_graph)):
        content = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(content) - 1))
            content[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        try:
            check(WEIGHTS, bytes(content))
        except ManifestError as error:
            assert "\n" not in str(error)  # noqa: PT017


def model(*, outside=False, inside_a_branch=False):
    """y = x + 2, with the 2 as a tensor."""
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    if outside:
        two.ClearField("float_data")
        two.data_location = TensorProto.EXTERNAL
        two.external_data.add(key="location", value="../../../../etc/passwd")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    nodes = [helper.make_node("Add", ["x", "two"], ["y"])]
    if inside_a_branch:
        branch = helper.make_graph([helper.make_node("Constant", [], ["two"], value=two)], "branch", [], [y])
        nodes.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    made = helper.make_model(
        helper.make_graph(nodes, "adding", [x], [y], initializer=[] if inside_a_branch else [two]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    made.ir_version = 8
    return made


def graph(**how):
    return model(**how).SerializeToString()


@pytest.mark.parametrize("inside_a_branch", [False, True])
def test_a_tensor_that_lies_in_another_file_is_refused(inside_a_branch):
    check_graph(GRAPH, graph(inside_a_branch=inside_a_branch))
    with pytest.raises(ManifestError, match="a tensor of it lies in another file"):
        check_graph(GRAPH, graph(outside=True, inside_a_branch=inside_a_branch))


def test_a_tag_that_parsers_cut_is_damage():
    """Protobuf's takes the lower 32 bits of it: another field than the one that stands there."""
    hidden = 8 | 1 << 32
    tag = bytes(
        [hidden & 0x7F | 0x80, *((hidden >> shift) & 0x7F | 0x80 for shift in (7, 14, 21)), hidden >> 28]
    )
    with pytest.raises(ManifestError, match="damaged"):
        check_graph(GRAPH, graph() + tag + b"\x01")


def test_every_place_that_a_tensor_can_have_is_looked_at():
    tensor = TensorProto(data_location=TensorProto.EXTERNAL)
    sparse = onnx.SparseTensorProto(values=tensor)
    inner = onnx.GraphProto(initializer=[tensor])
    attributes = [
        onnx.AttributeProto(t=tensor),
        onnx.AttributeProto(tensors=[tensor]),
        onnx.AttributeProto(g=inner),
        onnx.AttributeProto(graphs=[inner]),
        onnx.AttributeProto(sparse_tensor=sparse),
        onnx.AttributeProto(sparse_tensors=[sparse]),
    ]
    nodes = [onnx.NodeProto(attribute=[attribute]) for attribute in attributes]
    places = [
        *(onnx.ModelProto(graph=onnx.GraphProto(node=[node])) for node in nodes),
        onnx.ModelProto(graph=inner),
        onnx.ModelProto(graph=onnx.GraphProto(sparse_initializer=[sparse])),
        onnx.ModelProto(graph=onnx.GraphProto(), functions=[onnx.FunctionProto(node=[nodes[0]])]),
        onnx.ModelProto(graph=onnx.GraphProto(), training_info=[onnx.TrainingInfoProto(algorithm=inner)]),
    ]
    for place in places:
        with pytest.raises(ManifestError, match="another file"):
            check_graph(GRAPH, place.SerializeToString())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it has no graph"),
        (graph()[:-3], "damaged"),
        (b"hello, I am a graph", "damaged"),
        (b"\x3a" * 100, "damaged"),
    ],
)
def test_what_is_no_graph_is_named(data, said):
    with pytest.raises(ManifestError, match=f"hfm.onnx: not an ONNX file: .*{said}"):
        check_graph(GRAPH, data)


def test_depth_has_an_end():
    def field(number, content):
        return bytes([number << 3 | 2]) + BytesValue(value=content).SerializeToString()[1:]

    content = b"\x12\x01x"
    for _ in range(40):
        content = field(1, field(5, field(6, content)))  # a graph's node's attribute's graph
    with pytest.raises(ManifestError, match="damaged"):
        check_graph(GRAPH, field(7, content))


def test_every_shipped_weight_passes():
    paths = sorted((ROOT / "model_store").rglob("*.safetensors"))
    assert len(paths) > 10
    for path in paths:
        check_weights(path, path.read_bytes())


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a\\b", "a//b", "./a", "C:a", "a\nb", "", "."])
def test_a_path_that_leaves_the_folder_is_no_entry(path):
    with pytest.raises(ValueError, match="not a path inside"):
        FileEntry(path, "0" * 64, 0)
    assert VersionManifest("1", "", {"x": FileEntry("1/a b…c.txt", "0" * 64, 0)}).files


# What runs code hidden in data, or could.
FORBIDDEN = {
    "pickle": {"load", "loads", "Unpickler"},
    "cloudpickle": {"load", "loads"},
    "dill": {"load", "loads"},
    "joblib": {"load"},
    "marshal": {"load", "loads"},
    "shelve": {"open"},
    "yaml": {"load", "load_all", "unsafe_load", "unsafe_load_all", "full_load", "full_load_all"},
    "torch": {"load"},
    "jit": {"load"},
    "hub": {"load"},
    "numpy": {"load"},
    "np": {"load"},
}
# Checkpoints and tables of a training, written by the same command on the same machine; never a model's files.
LOADED_IN_TRAINING = {"torch.load": "weights_only=True", "np.load": ""}


def suspects(path):
    """Calls that may run what a file holds, as they are written."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in ("eval", "exec", "compile", "__import__"):
            yield called.id, ast.unparse(node)
        elif isinstance(called, ast.Attribute):
            owner = ast.unparse(called.value).rpartition(".")[2]
            if called.attr in FORBIDDEN.get(owner, ()):
                yield f"{owner}.{called.attr}", ast.unparse(node)
        for keyword in node.keywords:
            if keyword.arg in ("allow_pickle", "weights_only"):
                safe = {"allow_pickle": False, "weights_only": True}[keyword.arg]
                if not (isinstance(keyword.value, ast.Constant) and keyword.value.value is safe):
                    yield keyword.arg, ast.unparse(node)


def test_nothing_in_the_source_runs_what_a_file_holds():
    found = []
    for package in ("attendant", "handlers", "services"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name, call in suspects(path):
                in_training = path.is_relative_to(ROOT / "attendant" / "training")
                if not (
                    in_training
                    and LOADED_IN_TRAINING.get(name) is not None
                    and LOADED_IN_TRAINING[name] in call
                ):
                    found.append(f"{path.relative_to(ROOT)}: {call}")
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.load('x')",
        "yaml.load(f)",
        "np.load(f, allow_pickle=True)",
        "safe(f, allow_pickle=flag)",
        "pickle.loads(b)",
        "exec(b)",
        "torch.jit.load(f)",
    ],
)
def test_it_would_be_found(code, tmp_path):
    (tmp_path / "x.py").write_text(code)
    assert list(suspects(tmp_path / "x.py"))
