"""The master key, sealed values, digests, passwords and signed tokens."""

import base64
import stat
import string
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core import crypto

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_the_master_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    first = crypto.load_master_key(data)
    assert len(first) == 32
    assert crypto.load_master_key(data) == first
    assert stat.S_IMODE((data / "master.key").stat().st_mode) == 0o600
    assert [entry.name for entry in data.iterdir()] == ["master.key"]


def test_processes_that_start_together_end_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: crypto.load_master_key(tmp_path), range(64)))
    assert len(keys) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


def test_a_key_file_that_others_can_read_is_closed_again(tmp_path: Path) -> None:
    first = crypto.load_master_key(tmp_path)
    (tmp_path / "master.key").chmod(0o644)
    assert crypto.load_master_key(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper() + "\n",
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
        " " + base64.b64encode(KEY).decode() + "\n",
    ],
)
def test_a_given_key_may_be_base64_or_hexadecimal(tmp_path: Path, text: str) -> None:
    assert crypto.load_master_key(tmp_path / "unused", text) == KEY
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("text", ["", "secret", "00" * 31, "zz" * 32, "A" * 200, "é" * 44])
def test_a_wrong_key_is_refused_with_the_fix(tmp_path: Path, text: str) -> None:
    with pytest.raises(crypto.MasterKeyError, match="openssl rand -base64 32"):
        crypto.load_master_key(tmp_path, text)


def test_a_damaged_key_file_is_named_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text("half a ke")
    with pytest.raises(crypto.MasterKeyError, match=r"master\.key"):
        crypto.load_master_key(tmp_path)
    assert path.read_text() == "half a ke"


@given(st.binary(max_size=500), st.text(max_size=80))
def test_what_is_sealed_opens_again(plaintext: bytes, context: str) -> None:
    box = crypto.SecretBox(KEY)
    assert box.decrypt_bytes(box.encrypt(plaintext, context), context) == plaintext


def test_sealing_twice_gives_different_bytes() -> None:
    box = crypto.SecretBox(KEY)
    assert box.encrypt("x", "c") != box.encrypt("x", "c")
    assert b"hunter2" not in box.encrypt("hunter2", "c")


def test_a_value_moved_to_another_row_does_not_open() -> None:
    box = crypto.SecretBox(KEY)
    sealed = box.encrypt("+4915…", "contact_methods.address/P1")
    with pytest.raises(crypto.Damaged, match=r"contact_methods\.address/P2"):
        box.decrypt(sealed, "contact_methods.address/P2")


def test_every_changed_byte_is_noticed() -> None:
    box = crypto.SecretBox(KEY)
    sealed = box.encrypt("secret", "c")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(crypto.SealBroken):
            box.decrypt(bytes(changed), "c")
    for length in range(len(sealed)):
        with pytest.raises(crypto.Damaged):
            box.decrypt(sealed[:length], "c")


def test_a_wrong_master_key_is_told_apart_from_damage() -> None:
    sealed = crypto.SecretBox(KEY).encrypt("secret", "c")
    with pytest.raises(crypto.WrongKey, match=crypto.SecretBox(KEY).key_id):
        crypto.SecretBox(OTHER).decrypt(sealed, "c")


def test_a_rotated_key_still_opens_and_says_what_is_old() -> None:
    old = crypto.SecretBox(KEY)
    box = crypto.SecretBox(OTHER, older=[KEY])
    sealed = old.encrypt("secret", "c")
    assert box.decrypt(sealed, "c") == "secret"
    assert not box.is_current(sealed)
    assert box.is_current(box.encrypt("secret", "c"))


def test_bytes_that_are_not_text_are_reported_as_such() -> None:
    box = crypto.SecretBox(KEY)
    with pytest.raises(crypto.Damaged, match="not text"):
        box.decrypt(box.encrypt(b"\xff\xfe", "c"), "c")


def test_subkeys_differ_by_use_and_by_key() -> None:
    keys = {crypto.derive(key, label) for key in (KEY, OTHER) for label in ("a", "b", "")}
    assert len(keys) == 6
    assert KEY not in keys


def test_tokens_have_the_length_and_letters_asked_for() -> None:
    tokens = {crypto.new_token(20, string.ascii_lowercase) for _ in range(200)}
    assert len(tokens) == 200
    assert all(len(t) == 20 and set(t) <= set(string.ascii_lowercase) for t in tokens)
    with pytest.raises(ValueError, match="alphabet"):
        crypto.new_token(20, "aaa")
    with pytest.raises(ValueError, match="length"):
        crypto.new_token(0)


def test_key_digests_are_sha256() -> None:
    assert crypto.hash_key("abc").hex().startswith("ba7816bf8f01cfea414140de5dae2223")
    assert crypto.hash_key("\ud800") != crypto.hash_key("")


def test_comparison() -> None:
    assert crypto.same("ä", "ä".encode())
    assert not crypto.same("a", "b")
    assert not crypto.same(b"a", b"aa")


def test_passwords() -> None:
    hashed = crypto.hash_password("correct horse ✓")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert crypto.verify_password(hashed, "correct horse ✓")
    assert not crypto.verify_password(hashed, "correct horse")
    assert not crypto.verify_password(hashed, "x" * 5000)
    assert not crypto.verify_password(hashed, "\ud800")
    assert not crypto.verify_password("not a hash", "correct horse ✓")
    assert not crypto.verify_password("", "")
    assert crypto.hash_password("same") != crypto.hash_password("same")


def test_a_hash_of_other_cost_is_to_be_made_again() -> None:
    hashed = crypto.hash_password("p")
    assert not crypto.needs_rehash(hashed)
    assert crypto.needs_rehash(hashed.replace("t=2", "t=1"))
    assert crypto.needs_rehash("garbage")


def test_a_password_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="4096"):
        crypto.hash_password("x" * 4097)


@given(st.text(max_size=300).filter(lambda t: t.isprintable()))
def test_a_signed_payload_comes_back(payload: str) -> None:
    token = crypto.sign("acknowledge", payload, KEY, expires_at=NOW)
    assert set(token) <= set(crypto.KEY_ALPHABET)
    earlier = NOW - timedelta(seconds=1)
    assert crypto.verify("acknowledge", token, KEY, now=earlier) == payload


def test_a_token_ends_at_its_time() -> None:
    token = crypto.sign("acknowledge", "Q1", KEY, expires_at=NOW)
    with pytest.raises(crypto.ExpiredToken):
        crypto.verify("acknowledge", token, KEY, now=NOW)


def test_a_token_serves_one_purpose_and_one_key() -> None:
    token = crypto.sign("acknowledge", "Q1", KEY, expires_at=NOW)
    earlier = NOW - timedelta(hours=1)
    with pytest.raises(crypto.BadToken):
        crypto.verify("sign in", token, KEY, now=earlier)
    with pytest.raises(crypto.BadToken):
        crypto.verify("acknowledge", token, OTHER, now=earlier)
    assert crypto.verify("acknowledge", token, OTHER, now=earlier, older=[KEY]) == "Q1"


def test_every_changed_character_of_a_token_is_noticed() -> None:
    token = crypto.sign("acknowledge", "Q0123456789", KEY, expires_at=NOW)
    earlier = NOW - timedelta(hours=1)
    for index, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        with pytest.raises(crypto.BadToken):
            crypto.verify(
                "acknowledge", token[:index] + other + token[index + 1 :], KEY, now=earlier
            )
    for length in range(len(token)):
        with pytest.raises(crypto.BadToken):
            crypto.verify("acknowledge", token[:length], KEY, now=earlier)


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(crypto.BadToken):
        crypto.verify("acknowledge", text, KEY, now=NOW)


def test_a_forged_expired_token_is_bad_not_expired() -> None:
    token = crypto.sign("acknowledge", "Q1", OTHER, expires_at=NOW - timedelta(days=1))
    with pytest.raises(crypto.BadToken) as caught:
        crypto.verify("acknowledge", token, KEY, now=NOW)
    assert not isinstance(caught.value, crypto.ExpiredToken)


def test_a_naive_expiry_and_an_endless_payload_are_programming_errors() -> None:
    with pytest.raises(ValueError, match="aware"):
        crypto.sign("p", "x", KEY, expires_at=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="too long"):
        crypto.sign("p", "x" * 5000, KEY, expires_at=NOW)
