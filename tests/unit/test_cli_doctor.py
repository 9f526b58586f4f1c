"""`attendant doctor` as a command: before gateways that are well, ill or not there, and what it prints."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from canned_service import DESCRIPTION, MODEL
from doctor_stand_ins import TLS, Gateway, credentials, standing
from typer.testing import CliRunner

from attendant.cli.examined import Page, document, is_well
from attendant.cli.main import app
from attendant.doctor.deployment import Deployment, read_endpoint
from attendant.doctor.examination import Examination, Means
from attendant.doctor.findings import Finding, fine, found, skipped
from attendant.doctor.troubles.advice import Check, Status
from attendant.doctor.troubles.behind import Behind
from attendant.doctor.troubles.door import Door
from attendant.doctor.troubles.service import Service

WORDS = re.compile(r"\s+")


def run(*arguments, **environment):
    clean = {
        "ATTENDANT_ADDRESS": None,
        "ATTENDANT_MONITOR_ADDRESS": None,
        "ATTENDANT_REDIS_URL": None,
        "COLUMNS": "200",
    }
    before = [found for found in arguments if isinstance(found, tuple)]
    rest = [found for found in arguments if isinstance(found, str)]
    command = [*(word for words in before for word in words), "doctor", *rest]
    return CliRunner().invoke(app, command, env=clean | environment)


def examined(address, *arguments, **environment):
    """The document, and the exit code."""
    result = run(*arguments, "--address", address, "--json", **environment)
    return json.loads(result.stdout), result.exit_code


def statuses(seen):
    return {row["check"]: row["status"] for row in seen["findings"]}


def troubles(seen):
    return [row["trouble"] for row in seen["findings"] if row["trouble"]]


def test_a_gateway_that_is_well_but_keeps_nothing():
    with standing(Gateway()) as address:
        result = run("--address", address)
        seen, code = examined(address)
    assert result.exit_code == code == 0, result.output
    assert "✓ health" in result.stdout
    assert "! kept answers" in result.stdout
    assert "nothing failed: " in result.stdout.splitlines()[-1]
    assert troubles(seen) == ["NOT_KEPT"]
    assert seen["ok"] is True
    assert seen["counts"]["failed"] == 0
    assert statuses(seen)["explain"] == "ok"
    assert statuses(seen)["redis"] == "skipped"


def test_nothing_listens():
    result = run("--address", "127.0.0.1:1")
    assert result.exit_code == 1
    page = WORDS.sub(" ", result.stdout)
    assert "✗ connection 127.0.0.1:1: connection refused" in page
    assert "connection: no address takes a connection" in page
    assert Door.NOT_REACHED.value.do in page
    assert "this deployment is not well" in page
    assert "Traceback" not in result.output


def test_a_name_that_does_not_exist():
    def resolve(_host, _port):
        raise OSError(-2, "Name or service not known")

    examination = Examination(Deployment(read_endpoint("nowhere:1")), Means("0", resolve))
    first, *others = examination.run()
    assert first.trouble is Door.NAME_UNKNOWN
    assert {finding.status for finding in others} == {Status.SKIPPED}


@pytest.mark.parametrize(
    ("gateway", "trouble"),
    [
        (Gateway(serves=False), "NOT_READY"),
        (Gateway(models=()), "NO_MODELS"),
        (Gateway(token="secret"), "TOKEN_MISSING"),
        (Gateway(models=(replace(DESCRIPTION, ready=False),)), "MODEL_NOT_READY"),
        (Gateway(models=(replace(DESCRIPTION, digests={"1": "e" * 64, "2": "f" * 64}),)), "OTHER_WEIGHTS"),
    ],
)
def test_a_gateway_that_is_ill(gateway, trouble):
    with standing(gateway) as address:
        seen, code = examined(address)
    assert code == 1
    assert trouble in troubles(seen)
    told = next(row for row in seen["findings"] if row["trouble"] == trouble)
    assert told["what_to_do"]
    assert told["read_on"].startswith("docs/")


@pytest.mark.parametrize(("token", "trouble"), [("right", None), ("wrong-hunter2", "TOKEN_REFUSED")])
def test_tokens(tmp_path, token, trouble):
    (tmp_path / "token").write_text(token)
    with standing(Gateway(token="right")) as address:
        seen, code = examined(address, ("--token-file", str(tmp_path / "token")))
    assert code == (1 if trouble else 0)
    assert (trouble in troubles(seen)) == bool(trouble)
    assert token not in json.dumps(seen).replace("gateway-tokens", "").replace("right,", "")


def test_tls_that_is_right_and_tls_that_is_not():
    with standing(Gateway(), credentials=credentials()) as address:
        seen, code = examined(address, ("--tls-roots", str(TLS / "ca.pem")))
        assert (code, statuses(seen)["TLS"], statuses(seen)["explain"]) == (0, "ok", "ok")
        seen, code = examined(address, ("--tls-roots", str(TLS / "other-ca.pem")))
        assert (code, troubles(seen)) == (1, ["TLS_NOT_TRUSTED"])
        seen, code = examined(address)
        assert (code, troubles(seen)) == (1, ["TLS_WANTED"])
    with standing(Gateway(), "127.0.0.2:0", credentials()) as address:
        seen, code = examined(address, ("--tls-roots", str(TLS / "ca.pem")))
        assert (code, troubles(seen)) == (1, ["TLS_WRONG_NAME"])
        assert "localhost" in seen["findings"][2]["seen"]


def several(addresses, tls=None):
    """An examination of a name that stands for both."""
    port = int(addresses[0].rpartition(":")[2])
    hosts = [address.rpartition(":")[0] for address in addresses]
    deployment = Deployment(read_endpoint(f"localhost:{port}"), tls=tls)
    return list(Examination(deployment, Means("0.1.0", lambda _host, _port: hosts)).run())


@pytest.mark.parametrize(
    ("other", "trouble"),
    [
        (DESCRIPTION, None),
        (replace(DESCRIPTION, digests={"1": MODEL.weights_digest, "2": "e" * 64}), Service.REPLICAS_DISAGREE),
        (replace(DESCRIPTION, versions=("1",)), Service.REPLICAS_DIFFER),
    ],
)
def test_every_address_is_asked_by_itself(other, trouble):
    with standing(Gateway()) as first:
        second = first.replace("127.0.0.1", "127.0.0.2")
        with standing(Gateway(models=(other,)), second):
            findings = several([first, second])
    (finding,) = (finding for finding in findings if finding.check is Check.REPLICAS)
    assert finding.trouble is trouble


def test_replicas_behind_tls_are_asked_under_the_services_name():
    from attendant.channels import Tls

    with standing(Gateway(), credentials=credentials()) as first:
        second = first.replace("127.0.0.1", "127.0.0.2")  # its certificate is for localhost
        with standing(Gateway(), second, credentials()):
            findings = several([first, second], Tls(TLS / "ca.pem"))
    (finding,) = (finding for finding in findings if finding.check is Check.REPLICAS)
    assert finding.status is Status.OK, finding


def test_one_model_alone():
    gateway = Gateway(models=(DESCRIPTION, replace(DESCRIPTION, name="other")))
    with standing(gateway) as address:
        seen, _ = examined(address, "--model", "sarcasm")
        assert {asked.model for asked in gateway.requests} == {"sarcasm"}
        missing, code = examined(address, "--model", "irony")
    assert "2 versions answered" in next(row["seen"] for row in seen["findings"] if row["check"] == "explain")
    assert (code, "NO_MODELS" in troubles(missing)) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--address", "nonsense"),
        ("--http", "127.0.0.1:8000"),
        ("--monitor", "ftp://m"),
        ("--redis", "redis://:hun/ter2@h"),
        ("--timeout", "0"),
        ("--nonsense",),
    ],
)
def test_wrong_use_is_one_line_and_code_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "hun" not in result.output
    assert "ter2" not in result.output


def test_roots_without_a_certificate_are_wrong_use(tmp_path):
    (tmp_path / "roots").write_text("none")
    result = run(("--tls-roots", str(tmp_path / "roots")), "--address", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "--tls-roots" in result.stderr


def test_what_stands_in_a_pods_environment_is_used_and_passwords_are_not_shown():
    result = run(
        "--timeout",
        "1",
        ATTENDANT_ADDRESS="127.0.0.1:1",
        ATTENDANT_REDIS_URL="redis://:hunter2@127.0.0.1:1",
        ATTENDANT_MONITOR_ADDRESS="http://127.0.0.1:2",
        ATTENDANT_GRPC_PORT="7",
        ATTENDANT_TLS_CERTIFICATE="/no/such/file",
        ATTENDANT_TOKENS="/no/such/file",
    )
    assert result.exit_code == 1
    for expected in (
        "✗ redis        127.0.0.1:1",
        "✗ monitor      http://127.0.0.1:2",
        "✗ connection   127.0.0.1:1",
    ):
        assert expected in result.stdout
    assert "hunter2" not in result.output
    own = run(ATTENDANT_REDIS_URL="redis://a:1", ATTENDANT_MONITOR_REDIS_URL="redis://:hunter2@127.0.0.1:3")
    assert "127.0.0.1:3" in own.stdout
    assert "hunter2" not in own.output


def test_a_cluster_is_not_looked_at():
    result = run("--address", "127.0.0.1:1", "--redis", "redis+cluster://a:1")
    assert "not looked at: of Sentinel or a cluster" in result.stdout


def test_a_check_that_comes_to_grief_does_not_stop_the_others(monkeypatch):
    def explode(*_):
        raise RuntimeError("hunter2")

    monkeypatch.setattr("attendant.doctor.service.check_models", explode)
    with standing(Gateway()) as address:
        seen, code = examined(address)
    assert (code, troubles(seen)) == (1, ["BROKE"])
    assert seen["findings"][-1]["check"] == "explain"
    assert "hunter2" not in json.dumps(seen)


def test_the_page_tells_each_remedy_once_failures_first(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    page = Page()
    findings = [
        fine(Check.NAME, "a\x1b[31mb"),
        found(Behind.OVERLOAD, "2 %"),
        found(Service.DAMAGED, "sarcasm"),
        found(Service.DAMAGED, "irony"),
        skipped(Check.REDIS, "no URL"),
    ]
    for finding in findings:
        page.show(finding)
    page.conclude(findings)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count(Service.DAMAGED.value.do[:40]) == 1
    assert out.index(Service.DAMAGED.value.when) < out.index(Behind.OVERLOAD.value.when)
    assert out.splitlines()[-1] == "this deployment is not well: 1 ok, 1 to heed, 2 failed, 1 not looked at"


def test_warnings_alone_are_no_failure():
    findings = [found(Behind.OVERLOAD, ""), Finding(Check.NAME, Status.OK, "")]
    assert is_well(findings)
    assert document(findings, "a", "0")["ok"] is True


def test_the_manual_names_every_option():
    manual = (Path(__file__).resolve().parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    for option in set(re.findall(r"--[a-z-]+", run("--help").stdout)) - {"--help"}:
        assert option in manual
