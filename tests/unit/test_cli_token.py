"""`attendant token`: the token is shown once, the file keeps its hash."""

import json

import pytest
from typer.testing import CliRunner

from attendant.cli.main import app
from attendant.tokens import hash_token, parse_tokens, read_tokens


def run(*words):
    return CliRunner().invoke(app, ["token", *map(str, words)])


@pytest.mark.parametrize("name", ["tokens.json", "tokens.yaml"])
def test_a_token_is_made_listed_and_revoked(tmp_path, name):
    file = tmp_path / name
    first = run("create", "--name", "app", "--model", "sarcasm", "--model", "irony", "--file", file)
    more = ("--rate", 50, "--burst", 100, "--expires", "2027-01-31", "--file", file)
    second = run("create", "--name", "batch", "--model", "*", *more)
    secrets = [first.stdout.strip(), second.stdout.strip()]
    app_entry, batch = read_tokens(file)
    assert [app_entry.sha256, batch.sha256] == [hash_token(secret) for secret in secrets]
    assert (app_entry.models, batch.models) == (("sarcasm", "irony"), "*")
    assert (batch.requests_per_second, batch.burst, str(batch.expires)) == (50, 100, "2027-01-31")
    assert not any(secret in file.read_text() for secret in secrets)
    listed = run("list", "--file", file).stdout
    assert "app: models sarcasm, irony\n" in listed
    assert "batch: models *; 50 requests a second; expire" in listed
    assert run("revoke", "app", "--file", file).stdout == "revoked app\n"
    assert [token.name for token in read_tokens(file)] == ["batch"]


def test_without_a_file_the_entry_is_printed():
    secret, entry = run("create", "--name", "app", "--model", "sarcasm").stdout.splitlines()
    (token,) = parse_tokens(f"[{entry}]".encode())
    assert (token.name, token.sha256) == ("app", hash_token(secret))
    printed = json.loads(run("create", "--name", "app", "--model", "sarcasm", "--json").stdout)
    assert printed["entry"]["sha256"] == hash_token(printed["token"])


def test_what_makes_no_sense_leaves_the_file_as_it_was(tmp_path):
    file = tmp_path / "tokens.json"
    run("create", "--name", "app", "--model", "sarcasm", "--file", file)
    before = file.read_bytes()
    for words, says in (
        (("create", "--name", "app", "--model", "irony"), "has a token named 'app' already"),
        (("create", "--name", "b", "--model", "irony", "--rate", "-1"), "requests_per_second"),
        (("create", "--name", "two words", "--model", "irony"), "name"),
        (("revoke", "nobody"), "has no token named 'nobody'"),
    ):
        done = run(*words, "--file", file)
        assert done.exit_code == 2
        assert says in done.stderr.replace("\n", "")
        assert file.read_bytes() == before


def test_a_broken_file_is_named_and_kept(tmp_path):
    file = tmp_path / "tokens.json"
    file.write_text('[{"name": "app"}]')
    for words in (("list",), ("create", "--name", "b", "--model", "c"), ("revoke", "app")):
        done = run(*words, "--file", file)
        assert done.exit_code == 2
        assert "entry 1 (app): sha256" in done.stderr.replace("\n", "")
    assert file.read_text() == '[{"name": "app"}]'
