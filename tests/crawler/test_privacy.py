"""The guard's entries: mask, pseudonyms, the key file, whole listings."""

from __future__ import annotations

import resource
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError, UsageError
from crawler.items import Listing, Offer
from crawler.privacy import CLASSES, Masker, build_kid, is_pseudonym, load_or_make_key, mask, pseudonym

KEY = bytes(range(32))
KID = build_kid(KEY)


def _listing(**changes: object) -> Listing:
    fields: dict[str, object] = {
        "market": "frost", "listing": "4711", "crawl": "frost-1", "observed_at": datetime(2026, 1, 2, tzinfo=UTC),
        "title": "Гашиш 1г от QuietMill", "description": "Пиши @quiet_orders", "category": ("Hash", "by quietmill"),
        "vendor": "QuietMill", "ships_from": "Germany", "ships_to": ("EU",), "shipping": ("QuietMill express (5 USD)",),
        "offers": (Offer(price="2 500₽", quantity="1 г", place="Казань, 55.79021, 49.11433", stash="магнит"),), "parser": "1",
    }  # fmt: skip
    return Listing.model_validate(fields | changes)


def test_a_listing_is_masked_throughout() -> None:
    masked = Masker(KID, KEY).mask_listing(_listing())
    assert masked.vendor == pseudonym("frost", "quietmill", KEY, KID)
    assert masked.title == "Гашиш 1г от [vendor]"
    assert masked.description == "Пиши [handle]"
    assert masked.category == ("Hash", "by [vendor]")
    assert masked.shipping == ("[vendor] express (5 USD)",)
    assert masked.offers[0] == Offer(price="2 500₽", quantity="1 г", place="Казань, [coordinates]", stash="магнит")
    assert masked.listing == "4711"
    assert "mill" not in masked.model_dump_json().casefold()


def test_masking_a_listing_twice_changes_nothing() -> None:
    masker = Masker(KID, KEY)
    once = masker.mask_listing(_listing(listing="quiet-mill-hash-1g"))
    assert masker.mask_listing(once) == once


def test_what_is_remembered_of_texts_is_the_sellers_own_and_bounded() -> None:
    masker = Masker(KID, KEY, remember=100_000)
    mine, theirs = _listing(), _listing(vendor="Гашиш", listing="4712")
    first = [masker.mask_listing(one) for one in (mine, theirs)]
    assert [one.title for one in first] == ["Гашиш 1г от [vendor]", "[vendor] 1г от QuietMill"]
    again = mine.model_copy(
        update={"crawl": "frost-2", "listing": "QuietMill-1", "offers": (Offer(price="quietmill"),)}
    )
    seen = masker.mask_listing(again)
    assert (seen.title, seen.crawl, seen.offers) == (first[0].title, "frost-2", (Offer(price="[vendor]"),))
    assert seen.listing != again.listing
    plain, bounded = Masker(KID, KEY), Masker(KID, KEY, remember=10_000)
    for number in [*range(100), *range(100)]:
        masked = bounded.mask_listing(_listing(title=f"{number} QuietMill"))
        assert masked == plain.mask_listing(_listing(title=f"{number} QuietMill"))
        assert masked.title == f"{number} [vendor]"
    assert (len(plain._masked), len(bounded._masked)) == (0, 9)


def test_a_listing_id_that_holds_the_name_is_hashed_without_the_key() -> None:
    other = bytes(32)
    ids = {
        Masker(build_kid(key), key).mask_listing(_listing(listing="hash-by-QuietMill-1g")).listing
        for key in (KEY, other)
    }
    assert len(ids) == 1
    assert "mill" not in ids.pop().casefold()


def test_a_listing_without_vendor_keeps_none() -> None:
    assert Masker(KID, KEY).mask_listing(_listing(vendor=None)).vendor is None


def test_pseudonyms() -> None:
    one = pseudonym("frost", "QuietMill", KEY, KID)
    assert is_pseudonym(one)
    assert one.startswith(f"{KID}:")
    assert one == pseudonym("frost", "ＱＵＩＥＴmill", KEY, KID)  # NFKC and case fold
    assert one != pseudonym("other", "QuietMill", KEY, KID)
    assert one != pseudonym("frost", "QuietMill", bytes(32), KID)
    for text in ("QuietMill", "", "deadbeef", "deadbeef:xyz", one + " "):
        assert not is_pseudonym(text)


def test_the_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "new" / "vendor.key"
    kid, key = load_or_make_key(path)
    assert len(key) == 32
    assert kid == build_kid(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make_key(path) == (kid, key)
    assert [file.name for file in path.parent.iterdir()] == ["vendor.key"]


def test_many_starters_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_or_make_key, [tmp_path / "vendor.key"] * 32))
    assert len(keys) == 1


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vendor.key"
    load_or_make_key(path)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        load_or_make_key(path)


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vendor.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="no vendor key"):
        load_or_make_key(path)


def test_a_key_that_the_disk_has_no_room_for_is_no_wrong_use(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, usual[1]))
    try:
        with pytest.raises(InputError, match=r"File too large.*may not become that large"):
            load_or_make_key(tmp_path / "vendor.key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(UsageError, match="DROPLINE_KEY_FILE"):
        load_or_make_key(tmp_path / "folder")


def test_a_key_in_hex_is_read(tmp_path: Path) -> None:
    path = tmp_path / "vendor.key"
    path.write_text(KEY.hex() + "\n", encoding="ascii")
    path.chmod(0o600)
    assert load_or_make_key(path) == (KID, KEY)


@pytest.mark.parametrize(
    ("text", "vendor", "wanted"),
    [
        ("Best coke by D-u-t-c-h-S-n-o-w", "DutchSnow", "Best coke by [vendor]"),
        ("Дутч Сноу, лучший", "DutchSnow", "Дутч Сноу, лучший"),  # a guess at the spelling of 'ow' is beyond it
        ("Шишкин и Ко", "Shishkin", "[vendor] и Ко"),
        ("DUTCHSN0W 1g", "DutchSnow", "[vendor] 1g"),
        ("greenhouse weed", "Green", "greenhouse weed"),
        ("green weed", "Green", "[vendor] weed"),
        ("5 г", "5", "5 г"),
        ("kid stays", f"{KID}:{'0' * 20}", "kid stays"),
    ],
)
def test_the_vendors_own_name(text: str, vendor: str, wanted: str) -> None:
    assert mask(text, vendor) == wanted


@given(st.text(max_size=200), st.one_of(st.none(), st.text(max_size=12)))
@settings(max_examples=300, deadline=None)
def test_masking_is_idempotent_and_never_raises(text: str, vendor: str | None) -> None:
    once = mask(text, vendor)
    assert mask(once, vendor) == once


PIECES = st.sampled_from(
    ["@", "joe", ".com", " at ", " dot ", "+7 916", "1234567", "55.75581, 37.61762", "t.me/", "wickr: ", "x y z w", "abcdef2345" * 3,
     "[at]", "http://", ".onion", "-----BEGIN PGP MESSAGE-----", "г", " ", "\n", "u/", "тг ", "°", "N", "[email]", "[vendor", "]"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join), st.sampled_from([None, "joe", "email", "vendor"]))
@settings(max_examples=400, deadline=None)
def test_masking_of_crafted_texts_is_idempotent(text: str, vendor: str | None) -> None:
    once = mask(text, vendor)
    assert mask(once, vendor) == once


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "@" * 300_000, "1 " * 300_000, "a.b@" * 100_000, "[at]" * 100_000, "\ud800" * 1000, "-----BEGIN PGP " * 20_000, "x y " * 100_000,
     "wickr: " * 50_000, "55.1234 " * 50_000, "\u202e@\u200d" * 50_000, "8916 " * 50_000],
    ids=range(12),
)  # fmt: skip
def test_big_and_broken_texts_answer_in_time(text: str) -> None:
    start = time.process_time()
    assert isinstance(mask(text, "QuietMill"), str)
    assert time.process_time() - start < 6


def test_every_class_has_a_placeholder_that_stays() -> None:
    for name in CLASSES:
        assert mask(f"[{name}]", name) == f"[{name}]"


@pytest.mark.shared_data
def test_false_masks_on_real_titles(shared_data: Path) -> None:
    """None of the distinct titles of two months of a real stash market (they hold no personal data) is touched."""
    import csv
    import io
    import tarfile

    titles: set[str] = set()
    with tarfile.open(shared_data / "matanga" / "scrapes-2020-02_03.tar.xz") as archive:
        for count, member in enumerate(archive):
            handle = archive.extractfile(member) if member.name.endswith(".csv") and count % 12 == 0 else None
            if handle is not None:
                rows = csv.DictReader(io.StringIO(handle.read().decode("utf-8")))
                titles.update(row["description"] for row in rows)
    assert len(titles) > 200
    touched = [title for title in titles if mask(title) != title]
    assert len(touched) <= len(titles) * 0.002, touched[:5]
