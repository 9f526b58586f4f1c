import tempfile

from tiny_store import build_tiny_store

from attendant.archive import build_archives
from attendant.models.sarcasm import SarcasmModel


def test_builds_at_the_same_time_keep_out_of_each_others_way(tmp_path, monkeypatch):
    shared = tmp_path / "tmp"
    (shared / "sarcasm").mkdir(parents=True)
    (shared / "sarcasm" / "hfm.onnx").write_bytes(b"another build's")
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    (built,) = build_archives(build_tiny_store(tmp_path / "store"), tmp_path / "archives")
    assert (shared / "sarcasm" / "hfm.onnx").read_bytes() == b"another build's"
    assert tempfile.tempdir == str(shared)
    assert SarcasmModel.open_served(built / "sarcasm") is not None
