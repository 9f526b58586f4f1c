"""The command that gives Redis its password, run with a real Valkey."""

import os
import subprocess
import time

import pytest
import redis

from services.stack.trial import free_ports
from services.stack.valkey import find_valkey


@pytest.fixture
def started(prod, tmp_path):
    """Valkey as the container starts it, but for its paths and its port, with the password given."""
    running = []

    def start(password):
        (tmp_path / "password").write_text(password)
        (tmp_path / "valkey.conf").write_text(prod.valkey()["valkey.conf"])
        programs = tmp_path / "bin"
        programs.mkdir()
        (programs / "valkey-server").symlink_to(find_valkey())
        (port,) = free_ports(1)
        *shell, script = prod.container("redis")["command"]
        script = script.replace("/etc/attendant/redis/password", str(tmp_path / "password"))
        script = script.replace("/etc/valkey/valkey.conf", str(tmp_path / "valkey.conf"))
        script = script.replace("\nrequirepass", f"\nport {port}\nrequirepass")
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        with (tmp_path / "log").open("wb") as log:
            running.append(
                subprocess.Popen([*shell, script], env=environment, cwd=tmp_path, stdout=log, stderr=log)
            )
        return redis.Redis(port=port, password=password), redis.Redis(port=port)

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "password", ["plain", "with spaces", 'a"b\\c', "it's $HOME `id` \\n #5", "trailing\\"]
)
def test_any_password_is_the_password(started, password):
    known, unknown = started(password)
    end = time.monotonic() + 10
    while True:
        try:
            assert known.ping()
            break
        except redis.ConnectionError:
            assert time.monotonic() < end, "Valkey did not start"
            time.sleep(0.02)
    with pytest.raises(redis.AuthenticationError):
        unknown.ping()
    known.close()
    unknown.close()
