"""The commands export, verify, explain, backup, restore and copy, as a person runs them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import InputError, UsageError
from config.settings import Settings
from crawler.privacy import load_or_make_key
from extract.observation import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome, Observation
from index.derive import derive_offer_days
from index.open import open_store
from monitor.backup import MANIFEST, restore_backup, write_backup
from monitor.state import State, state_path

START = datetime(2024, 1, 1, 12, tzinfo=UTC)
NOW = datetime(2024, 2, 1, tzinfo=UTC)


def install(folder: Path) -> Settings:
    """An installation with a store, a key, a state and a log."""
    settings = Settings(data_dir=folder)
    store = open_store(settings.store_url)
    scope = Coverage(seen=40, expected=40, value=1.0, basis=CoverageBasis.SITE_TOTAL)
    for day in range(7):
        made = Crawl(id=f"m-{day}", market="m", kind=CrawlKind.FULL, started=START + timedelta(days=day),
                     finished=START + timedelta(days=day, hours=1), outcome=CrawlOutcome.COMPLETE, coverage=(scope,))
        store.write([
            Observation(market="m", listing=f"l{n}", offer=f"o{n}", crawl=made.id, version="1", observed_at=made.started,
                        day=made.started.date(), vendor=f"abcdef01:{n % 8:020d}", title="Made up, one gram",
                        substances=("mdma",), ready=20 - day, amount=2_000, amount_usd=2_000, currency="USD",
                        quantity=1.0, unit="g", unit_price=200_000, unit_price_usd=200_000)
            for n in range(40)
        ])
        store.write_crawl(made)
    derive_offer_days(store, "m", "1", START.date())
    store.close()
    log = settings.logs_dir / "m" / "m-0.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text('{"crawl": {}}\n')
    (folder / "sessions").mkdir()
    (folder / "sessions" / "m.json").write_text("secret cookie")
    load_or_make_key(settings.key_path)
    with State(state_path(folder)) as state:
        state.db.execute("PRAGMA user_version")
    return settings


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return install(tmp_path / "home")


def run(*words: str | Path, home: Settings) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a real process."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DROPLINE_")}
    command = [sys.executable, "-m", "monitor.cli", "--data-dir", home.data_dir, "--format", "json", *words]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=env, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_export_and_verify_from_the_command_line(home: Settings, tmp_path: Path) -> None:
    out = tmp_path / "package"
    code, text, errors = run("export", "--out", out, "--measure", "turnover,listings", "--measure", "price", home=home)
    assert (code, errors.strip()) == (0, "")
    assert [(row["measure"], row["rows"], row["suppressed"]) for row in json.loads(text)] == [
        ("turnover", 1, 0), ("listings", 1, 0), ("price", 1, 0)]
    assert "2024-01-01,4800.0," in (out / "data" / "turnover.csv").read_text(), "240 packages at 20 dollars"
    code, text, _ = run("verify", out, home=home)
    assert code == 0
    assert {row["ok"] for row in json.loads(text)} == {"yes"}

    (out / "README.md").write_text("other")
    code, text, _ = run("verify", out, home=home)
    assert code == 1
    assert next(row for row in json.loads(text) if row["ok"] == "NO")["detail"] == "README.md was changed"

    code, text, errors = run("export", "--out", out, home=home)
    assert (code, text) == (2, "")
    assert "not empty" in errors


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--by", "fortnight"), "--by"),
        (("--measure", "turnovr"), "Did you mean 'turnover'"),
        (("--level", "secret"), "--level"),
        (("--doi", "nonsense"), "--doi"),
        (("--split", "vendor"), "one vendor"),
        (("--against", "nowhere"), "no package"),
    ],
)
def test_wrong_use_of_export_says_what_is_wrong(home: Settings, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    code, text, errors = run("export", "--out", tmp_path / "x", *words, home=home)
    assert (code, text) == (2, "")
    assert told in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "x").exists()


def test_export_of_an_empty_store_fails_with_a_remedy(tmp_path: Path) -> None:
    code, _, errors = run("export", "--out", tmp_path / "x", home=Settings(data_dir=tmp_path / "none"))
    assert code == 1
    assert "store is empty" in errors


def test_explain_from_the_command_line(home: Settings, tmp_path: Path) -> None:
    code, text, _ = run("explain", "price", "--bucket", "2024-01-03", "--by", "week", home=home)
    assert code == 0
    facts = json.loads(text)
    assert sum(fact["part"] == "crawl" for fact in facts) == 7
    assert any(fact["what"].startswith("unknown") for fact in facts if fact["part"] == "expected error")
    report = tmp_path / "accuracy.json"
    report.write_text(json.dumps([
        {"set": "en", "field": "main", "precision": 1, "recall": 0.5, "f1": 0.667, "low": 0.5, "high": 0.8, "labels": 9},
        {"set": "matanga", "field": "main", "precision": 1, "recall": 1, "f1": 1, "low": 1, "high": 1},
    ]))
    facts = json.loads(run("explain", "m/l3/o3/m-2", "--accuracy", report, home=home)[1])
    assert next(fact for fact in facts if fact["part"] == "expected error")["what"] == "main (en)"
    assert "Did you mean 'price'" in run("explain", "prices", "--bucket", "2024-01-03", home=home)[2]
    assert "say which bucket" in run("explain", "price", home=home)[2]
    report.write_text("{}")
    code, _, errors = run("explain", "m/l3/o3/m-2", "--accuracy", report, home=home)
    assert code == 1
    assert "accuracy.json" in errors


def test_backup_restore_and_copy_from_the_command_line(home: Settings, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    code, text, errors = run("backup", file, home=home)
    assert (code, json.loads(text)[0]["files"]) == (0, 3), "store, state, one log"
    assert "vendor key is not in it" in errors
    assert file.stat().st_mode & 0o777 == 0o600
    elsewhere = Settings(data_dir=tmp_path / "new")
    assert run("restore", file, home=elsewhere)[0] == 0
    assert not elsewhere.key_path.exists()
    code, _, errors = run("restore", file, home=elsewhere)
    assert code == 2
    assert "nothing is overwritten" in errors
    code, text, _ = run("copy", "--to", f"sqlite:///{tmp_path / 'copy.db'}", home=elsewhere)
    assert (code, json.loads(text)[0]["digests"]) == (0, "equal")


def test_restored_installation_is_the_same_with_its_key(home: Settings, tmp_path: Path) -> None:
    file, new = tmp_path / "b.tar", Settings(data_dir=tmp_path / "new")
    manifest = write_backup(home, file, with_key=True, created=NOW, dropline="9")
    assert restore_backup(new, file) == manifest
    for settings, other in ((home, new), (new, home)):
        assert settings.key_path.read_bytes() == other.key_path.read_bytes()
    assert new.key_path.stat().st_mode & 0o777 == 0o600
    old, restored = open_store(home.store_url), open_store(new.store_url)
    assert restored.digest() == old.digest()
    assert restored.current_version() == "1"
    old.close()
    restored.close()
    assert (new.logs_dir / "m" / "m-0.jsonl").read_text() == '{"crawl": {}}\n'
    with State(state_path(new.data_dir)):
        pass
    assert not (new.data_dir / "sessions").exists(), "session cookies never leave"
    assert b"secret cookie" not in file.read_bytes()


@pytest.mark.parametrize("with_key", [False, True])
def test_what_a_person_wrote_is_in_the_backup(home: Settings, tmp_path: Path, *, with_key: bool) -> None:
    written = {"schedule.yml": "markets: {}\n", "alerts/mine.yml": "rules: []\n", "vocab/names.csv": "name\n",
               "markets/mine/market.yml": "id: mine\n", "channels.yml": "channels: {}\n"}  # fmt: skip
    for name, text in {**written, "vocab/tables/abc/names.csv": "made\n"}.items():
        path = home.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write_backup(home, tmp_path / "b.tar", with_key=with_key, created=NOW, dropline="9")
    new = Settings(data_dir=tmp_path / "new")
    restore_backup(new, tmp_path / "b.tar")
    for name, text in written.items():
        path = new.data_dir / name
        if name == "channels.yml" and not with_key:
            assert not path.exists(), "passwords leave with the key only"
        else:
            assert path.read_text(encoding="utf-8") == text
            assert path.stat().st_mode & 0o077 == 0
    assert not (new.data_dir / "vocab" / "tables").exists()


def test_backup_while_another_writes_is_of_one_moment(home: Settings, tmp_path: Path) -> None:
    writer = open_store(home.store_url)
    row = next(iter(writer.iter_contents("observation")))
    fresh = Observation.model_validate_json(row).model_copy(update={"offer": "late"})
    before = dict(writer.digest())

    def between(name: str) -> None:
        if name == "logs/m/m-0.jsonl":  # the store is in the backup by now
            writer.write([fresh])

    write_backup(home, tmp_path / "b.tar", with_key=False, created=NOW, dropline="9", progress=between)
    assert dict(writer.digest()) != before
    writer.close()
    new = Settings(data_dir=tmp_path / "new")
    restore_backup(new, tmp_path / "b.tar")
    restored = open_store(new.store_url)
    assert dict(restored.digest()) == before
    restored.close()


def rewrite(source: Path, target: Path, change: dict[str, bytes | None], add: dict[str, bytes] | None = None) -> None:
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for info in old:
            content = old.extractfile(info).read()  # type: ignore[union-attr]
            if info.name in change:
                replaced = change[info.name]
                if replaced is None:
                    continue
                content = replaced
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))
        for name, content in (add or {}).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("harm", ["changed", "missing", "more", "no manifest", "outside", "cut", "text"])
def test_damaged_or_hostile_backup_restores_nothing(home: Settings, tmp_path: Path, harm: str) -> None:
    file, bad = tmp_path / "b.tar", tmp_path / "bad.tar"
    write_backup(home, file, with_key=False, created=NOW, dropline="9")
    log = "logs/m/m-0.jsonl"
    if harm == "cut":
        bad.write_bytes(file.read_bytes()[:20_000])
    elif harm == "text":
        bad.write_text("not a tar" * 200)
    else:
        rewrite(
            file, bad,
            {"changed": {log: b"{}\n"}, "missing": {log: None}, "no manifest": {MANIFEST: None}}.get(harm, {}),
            {"more": {"logs/m/x.jsonl": b""}, "outside": {"logs/../../evil": b"x"}}.get(harm),
        )
    new = Settings(data_dir=tmp_path / "new")
    with pytest.raises(InputError):
        restore_backup(new, bad)
    assert list(new.data_dir.iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_backup_needs_a_file_store_a_new_name_and_its_key(home: Settings, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    with pytest.raises(UsageError, match="file of that name"):
        write_backup(home, tmp_path / "there", with_key=False, created=NOW, dropline="9")
    remote = Settings(data_dir=home.data_dir, store="http://127.0.0.1:1")
    with pytest.raises(UsageError, match="only a SQLite store"):
        write_backup(remote, tmp_path / "x", with_key=False, created=NOW, dropline="9")
    home.key_path.unlink()
    with pytest.raises(UsageError, match="no key yet"):
        write_backup(home, tmp_path / "y", with_key=True, created=NOW, dropline="9")
    with pytest.raises(InputError, match=r"/proc/z: the backup failed: No such file or directory\."):
        write_backup(home, Path("/proc/z"), with_key=False, created=NOW, dropline="9")
    assert not list(tmp_path.glob("y*"))
    with pytest.raises(UsageError, match="no such file"):
        restore_backup(home, tmp_path / "nowhere")
