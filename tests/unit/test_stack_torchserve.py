import importlib.util
import os
from pathlib import Path

import pytest

from services.gateway.config import GatewaySettings
from services.monitor.config import MonitorSettings
from services.stack.config import Settings, StackSettings
from services.stack.torchserve import torchserve
from services.torchserve.java import NoArchiveError, find_archives


@pytest.fixture
def store(tmp_path):
    for name in ("sdc", "sarcasm", "sarcasm_slow"):
        (tmp_path / "store" / name / "MAR-INF").mkdir(parents=True)
        (tmp_path / "store" / name / "MAR-INF" / "MANIFEST.json").write_text("{}")
    (tmp_path / "store" / "sarcasm.mar").write_text("")
    (tmp_path / "store" / "unfinished").mkdir()
    return tmp_path / "store"


@pytest.fixture
def program(tmp_path, store):
    gateway = GatewaySettings(
        archives=store, torchserve_address="127.0.0.1:17070", torchserve_management_address="127.0.0.1:17071"
    )
    settings = Settings(gateway, StackSettings(metrics_address="127.0.0.1:18082"), MonitorSettings())
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return torchserve(settings, scratch, tmp_path / "torchserve.log")


def read_properties(program) -> dict[str, str]:
    path = program.command[program.command.index("-f") + 1]
    return dict(line.split("=", 1) for line in Path(path).read_text().splitlines())


def test_every_unpacked_archive_is_loaded_once(program, store):
    assert read_properties(program)["load_models"] == "sarcasm,sarcasm_slow,sdc"


def test_an_empty_store_says_what_to_do(tmp_path):
    with pytest.raises(NoArchiveError, match="make archive"):
        find_archives(tmp_path)


def test_it_listens_where_the_gateway_looks_and_nowhere_else(program):
    properties = read_properties(program)
    assert (properties["grpc_inference_address"], properties["grpc_inference_port"]) == ("127.0.0.1", "17070")
    assert (properties["grpc_management_address"], properties["grpc_management_port"]) == (
        "127.0.0.1",
        "17071",
    )
    assert properties["metrics_address"] == "http://127.0.0.1:18082"
    for name in ("inference_address", "management_address"):
        assert properties[name].startswith("unix:/")
        assert len(properties[name]) < 107  # sockaddr_un


def test_nobody_can_register_a_model_from_outside(program, store):
    properties = read_properties(program)
    assert properties["enable_model_api"] == "false"
    assert properties["allowed_urls"] == f"file://{store}/.*"
    assert properties["install_py_dep_per_model"] == "false"


def test_java_is_started_itself_and_has_a_temporary_folder_of_its_own(program, tmp_path):
    # Not through `torchserve`, which leaves Java behind; not in /tmp, where one pid file allows one instance.
    assert Path(program.command[0]).name == "java"
    assert Path(program.command[0]).is_file()
    assert program.environment["TMPDIR"] == program.environment["TEMP"] == str(tmp_path / "scratch")
    assert program.folder == tmp_path / "scratch"


def test_workers_send_no_telemetry_and_do_not_spin(program):
    assert program.environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert program.environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert program.environment["PATH"] == os.environ["PATH"]


def test_the_files_it_names_exist(program):
    properties = read_properties(program)
    assert Path(properties["metrics_config"]).is_file()
    options = [option for option in program.command if option.startswith("-Dlog4j.configurationFile=file://")]
    assert Path(options[0].removeprefix("-Dlog4j.configurationFile=file://")).is_file()
    ts = importlib.util.find_spec("ts")
    assert list(Path(ts.origin).parent.glob("frontend/*.jar"))
