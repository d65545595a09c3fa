"""How fast and in how much memory tables are imported, end to end: read, masked, logged, extracted, stored, derived.

Anchor of the same run: `csv.reader` alone over the same tables (rows/s). With --shared the real scrapes of the shared
data folder are imported (if it is there); with --rows N a made-up table of N rows in crawls of about 110 rows.

    python bench/import_speed.py --shared ../shared/data
    python bench/import_speed.py --rows 1000000
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

HEADER = ["time_stamp", "sell_code", "description", "готовых", "предзаказ", "город", "вес", "$"]
WORDS = "лучший товар города скидка свежий VHQ быстро качество магазин 24/7 топ новинка".split()
GOODS = ["Мефедрон крист.", "Гашиш евро", "Шишки АК", "Кокаин", "Амфетамин", "Метадон", "LSD 200мкг", "Экстази таб."]
SIZES = ["0.5 гр", "1 гр", "2 гр", "5 гр", "10 гр"]


def write_tables(path: Path, rows: int, seed: int) -> None:
    """A tar of CSV scrapes: the same 400 listings seen again and again, as a market's are, with new ones coming."""
    dice = random.Random(seed)
    listings = [_listing(dice) for _ in range(400)]
    moment, written = datetime(2020, 2, 1), 0
    with tarfile.open(path, "w") as archive:
        while written < rows:
            moment += timedelta(hours=4)
            for _ in range(2):
                listings[dice.randrange(len(listings))] = _listing(dice)
            text = io.StringIO()
            writer = csv.writer(text)
            writer.writerow(HEADER)
            for listing in dice.sample(listings, min(110, rows - written)):
                writer.writerow([f"{moment:%d-%m-%Y %H:%M:%S}", *listing[:2], dice.randrange(9), "нет", *listing[2:]])
                written += 1
            data = text.getvalue().encode()
            info = tarfile.TarInfo(f"scrape-{moment:%Y%m%d%H%M}.csv")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _listing(dice: random.Random) -> tuple[str, ...]:
    size = dice.choice(SIZES)
    title = f"{dice.choice(GOODS)} {size} {' '.join(dice.sample(WORDS, 4))} {dice.randrange(10**6)}"
    return f"{dice.randrange(60):010x}", title, dice.choice(["Тбилиси", "Батуми"]), size, str(dice.randrange(20, 400))


def count_rows(path: Path) -> tuple[int, float]:
    """The anchor: rows and seconds of csv.reader alone."""
    started, rows = time.perf_counter(), 0
    for stream in _tables(path):
        rows += sum(1 for _ in csv.reader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))) - 1
    return rows, time.perf_counter() - started


def _tables(path: Path) -> Iterator[io.BufferedIOBase]:
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() and member.name.endswith(".csv") else None
            if stream is not None:
                yield stream  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scrapes.tar"
        if given.shared:
            path = given.shared / "matanga" / "scrapes-2020-02_03.tar.xz"
        else:
            write_tables(path, given.rows, given.seed)
        rows, anchor = count_rows(path)
        command = [
            sys.executable,
            "-m",
            "monitor.cli",
            "--data-dir",
            folder + "/data",
            "import",
            "--map",
            "matanga",
            str(path),
        ]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        store = (Path(folder) / "data" / "dropline.sqlite").stat().st_size / 2**20
    print(f"rows                     {rows:>12,}")
    print(f"anchor, csv.reader alone {rows / anchor:>12,.0f} rows/s")
    share = anchor / seconds
    print(f"import, end to end       {rows / seconds:>12,.0f} rows/s ({share:.4f} of the anchor), {seconds:.1f} s")
    print(f"peak memory              {peak:>12,.0f} MB")
    print(f"store                    {store:>12,.0f} MB")


if __name__ == "__main__":
    main()
