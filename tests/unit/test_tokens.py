"""The file of tokens: what is taken, what is refused and how, and what is written."""

import json
import os
import stat
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.tokens import (
    FILE_BYTES,
    Token,
    TokensError,
    dump_token,
    hash_token,
    make_token,
    parse_tokens,
    read_tokens,
    write_tokens,
)

HASH = hash_token("secret")
ENTRY = {"name": "app", "sha256": HASH, "models": ["sarcasm"]}


def parse(*entries):
    return parse_tokens(json.dumps(entries).encode())


def test_json_and_yaml_say_the_same():
    as_yaml = f"""
# the shop
- name: app
  sha256: {HASH}
  models: [sarcasm, irony]
  requests_per_second: 50
  burst: 5
  expires: 2027-01-31
- {{name: all, sha256: {hash_token("other")}, models: "*"}}
"""
    app = ENTRY | {
        "models": ["sarcasm", "irony"],
        "requests_per_second": 50,
        "burst": 5,
        "expires": "2027-01-31",
    }
    every = {"name": "all", "sha256": hash_token("other"), "models": "*"}
    tokens = parse_tokens(as_yaml.encode())
    assert tokens == parse(app, every)
    assert tokens == parse_tokens(json.dumps([app, every], indent="\t").encode())
    assert [tokens[0].allows(model) for model in ("sarcasm", "irony", "mosaics")] == [True, True, False]
    assert tokens[1].allows("mosaics")
    assert not tokens[0].expired(date(2027, 1, 31))
    assert tokens[0].expired(date(2027, 2, 1))
    assert not tokens[1].expired(date(9999, 12, 31))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "entry 1 (): name: "),
        ({"name": "two words"}, "entry 1 (two words): name: "),
        ({"sha256": "secret"}, "entry 1 (app): sha256: "),
        ({"sha256": HASH.upper()}, "entry 1 (app): sha256: "),
        ({"models": []}, 'entry 1 (app): models: give "*" or a list of models'),
        ({"models": "sarcasm"}, 'entry 1 (app): models: give "*" or a list of models'),
        ({"models": [1]}, "entry 1 (app): models: "),
        ({"requests_per_second": 0}, "entry 1 (app): requests_per_second: "),
        ({"requests_per_second": float("nan")}, "entry 1 (app): requests_per_second: "),
        ({"requests_per_second": 1, "burst": 0}, "entry 1 (app): burst: "),
        ({"burst": 2}, "entry 1 (app): the entry: burst needs requests_per_second"),
        ({"expires": "tomorrow"}, "entry 1 (app): expires: "),
        ({"token": "secret"}, "entry 1 (app): token: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_entry_and_field_and_shows_no_value(change, says):
    with pytest.raises(TokensError) as caught:
        parse(ENTRY | change)
    message = str(caught.value)
    assert message.startswith(says)
    assert "secret" not in message
    assert "\n" not in message


@pytest.mark.parametrize("field", ["name", "sha256"])
def test_two_entries_are_two_tokens(field):
    other = {"name": "other", "sha256": hash_token("other"), "models": "*"}
    with pytest.raises(TokensError, match=rf"entry 2 \(.*\): {field}: an entry before it has the same"):
        parse(ENTRY, other | {field: ENTRY[field]})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[",
        b'["secret"]',
        b"secret: [",
        b"- secret: 2026-13-45",
        b"!!bool secret",
        b"- !!timestamp secret",
        b"- !!int ''",
        b"\xff",
        b" " * (FILE_BYTES + 1),
    ],
)
def test_what_is_no_list_of_entries_is_refused(content):
    with pytest.raises(TokensError) as caught:
        parse_tokens(content)
    assert "secret" not in str(caught.value)


@given(st.binary(max_size=60) | st.text(alphabet="[]{}-:,\"'&*!\n\t a1", max_size=60).map(str.encode))
def test_whatever_is_in_a_file_it_is_entries_or_one_line(content):
    said = ""
    try:
        assert all(isinstance(token, Token) for token in parse_tokens(content))
    except TokensError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


@pytest.mark.parametrize("name", ["tokens.json", "tokens.yaml"])
def test_what_is_written_is_read_again_and_only_by_its_owner(tmp_path, name):
    path = tmp_path / name
    tokens = parse(
        ENTRY | {"requests_per_second": 0.5, "expires": "2027-01-31"},
        ENTRY | {"name": "b", "sha256": "0" * 64},
    )
    old_mask = os.umask(0)
    try:
        write_tokens(path, tokens[:1])
        write_tokens(path, tokens)
    finally:
        os.umask(old_mask)
    assert read_tokens(path) == tokens
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_link_stays_a_link(tmp_path):
    """Mounted secrets are links."""
    link = tmp_path / "tokens.json"
    link.symlink_to("data.json")
    write_tokens(link, parse(ENTRY))
    assert link.is_symlink()
    assert read_tokens(tmp_path / "data.json") == parse(ENTRY)


def test_tokens_are_long_different_and_easy_to_recognise():
    made = {make_token() for _ in range(100)}
    assert len(made) == 100
    assert all(token.startswith("attendant_") and len(token) >= 53 for token in made)


def test_an_entry_is_what_a_file_has():
    assert parse(dump_token(parse(ENTRY)[0])) == parse(ENTRY)
