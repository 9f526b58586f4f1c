import errno
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import get_args

import pytest
import yaml
from small_fcam import write_small_sdc
from tiny_store import build_tiny_store

from attendant.archive import EXPORTS, build_archives
from attendant.manifest import ModelManifest, read_store
from attendant.models.focus_maps import Mechanism
from attendant.models.sarcasm import SarcasmModel
from attendant.models.sdc import SdcModel
from attendant.seals import check_seal
from attendant.unpacking import unpack


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build_tiny_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def lanes(store, tmp_path_factory):
    """Both lanes' folders."""
    (fast,) = build_archives(store, tmp_path_factory.mktemp("archives"), mar=True)
    return fast, fast.with_name("sarcasm_slow")


def test_builds_at_the_same_time_keep_out_of_each_others_way(store, tmp_path, monkeypatch):
    shared = tmp_path / "tmp"
    (shared / "sarcasm").mkdir(parents=True)
    (shared / "sarcasm" / "hfm.onnx").write_bytes(b"another build's")
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    (built,) = build_archives(store, tmp_path / "archives")
    assert (shared / "sarcasm" / "hfm.onnx").read_bytes() == b"another build's"
    assert tempfile.tempdir == str(shared)
    assert SarcasmModel.open_served(built / "sarcasm") is not None


def test_the_lanes_hold_the_same_files_and_the_models_once(lanes):
    fast, slow = lanes
    assert files(fast) == files(slow)
    models = files(fast / "sarcasm")
    assert "1/hfm.onnx" in models
    for name in models:
        assert (fast / "sarcasm" / name).samefile(slow / "sarcasm" / name)


def test_each_lane_is_run_in_its_own_way(lanes):
    fast, slow = (yaml.safe_load((lane / "model-config.yaml").read_text()) for lane in lanes)
    assert (fast["batchSize"], slow["batchSize"]) == (8, 1)
    assert (fast["responseTimeout"], slow["responseTimeout"]) == (30, 120)
    assert (fast["lane"], slow["lane"]) == ("fast", "slow")
    assert slow["jobQueueSize"] < fast["jobQueueSize"]
    names = [json.loads((lane / "MAR-INF/MANIFEST.json").read_text())["model"]["modelName"] for lane in lanes]
    assert names == ["sarcasm", "sarcasm_slow"]


def test_both_are_zipped_whole(lanes):
    for lane in lanes:
        with zipfile.ZipFile(lane.with_name(f"{lane.name}.mar")) as zipped:
            assert files(lane) == set(zipped.namelist())


def test_where_files_cannot_be_linked_they_are_copied(store, tmp_path, monkeypatch):
    def refuse(*_paths):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (fast,) = build_archives(store, tmp_path)
    slow = tmp_path / "sarcasm_slow"
    assert not (fast / "sarcasm/1/hfm.onnx").samefile(slow / "sarcasm/1/hfm.onnx")
    assert read_store(slow) == read_store(fast)


def test_they_are_sealed_and_the_same_models_have_the_same_seal(store, lanes, tmp_path):
    for lane in lanes:
        check_seal(lane)
        unpack(lane.with_name(f"{lane.name}.mar"), tmp_path / lane.name)
        assert check_seal(tmp_path / lane.name) == check_seal(lane)
    (again,) = build_archives(store, tmp_path / "again")
    assert check_seal(again) == check_seal(lanes[0])


def test_a_second_build_replaces_both(store, lanes):
    fast, slow = lanes
    before = (fast / "sarcasm/1/hfm.onnx").stat().st_ino
    (slow / "sarcasm" / "stale").write_text("")
    for _ in build_archives(store, fast.parent):
        pass
    assert (fast / "sarcasm/1/hfm.onnx").stat().st_ino != before
    assert files(slow) == files(fast)


def test_a_family_is_one_archive_with_all_its_models(tmp_path):
    build_tiny_store(tmp_path / "store")
    names = ("sdc-a", "sdc-b")
    for name, kind, mechanism in zip(
        names, ("image", "vector"), (Mechanism.HARD, Mechanism.SPARSEMAX), strict=True
    ):
        write_small_sdc(tmp_path / "store", name, mechanism, kind=kind)
    built = {
        archive.name: archive
        for archive in build_archives(tmp_path / "store", tmp_path / "archives", mar=True)
    }
    assert set(built) == {"sarcasm", "sdc"}
    assert {path.name for path in (tmp_path / "archives").iterdir() if path.is_dir()} == {
        "sarcasm",
        "sarcasm_slow",
        "sdc",
        "sdc_slow",
    }
    for lane in ("sdc", "sdc_slow"):
        archive = tmp_path / "archives" / lane
        assert set(read_store(archive)) == set(names)
        assert files(archive) == files(built["sdc"])
        assert "sdc_handler.py" in files(archive)
        for name in names:
            stored, served = (read_store(root)[name].versions["1"] for root in (tmp_path / "store", archive))
            assert stored.digest == served.digest
            assert served.files.keys() - stored.files.keys() == {"fcam_onnx"}
            assert SdcModel.open_served(archive / name).ref.name == name
    assert read_store(built["sarcasm"]).keys() == {"sarcasm"}


def test_every_family_that_a_manifest_can_name_is_exported():
    assert set(EXPORTS) == set(get_args(ModelManifest.__annotations__["archive"]))
