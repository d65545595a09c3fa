"""The `demo` command."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.app import app, current
from monitor.cli.output import Format, note, progress, write_rows

if TYPE_CHECKING:
    from monitor.demo.run import DemoRun

SHOWN = ("series", "bucket", "value", "truth", "difference %", "n", "crawls", "reason")
HEADLINES = ("listings", "price", "turnover")


@app.command()
def demo(
    context: typer.Context,
    tor: Annotated[bool, typer.Option("--tor", help="Through onion services of a private Tor network.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the dashboard of the result afterwards.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="--serve: 0 takes any that is free.")] = 8080,
    seed: Annotated[int, typer.Option(min=0, help="Another number is another world.")] = 1,
    days: Annotated[
        int | None, typer.Option(min=1, max=1_100, help="Days of the world; default 182, with --tor 3.")
    ] = None,
    by: Annotated[str, typer.Option(help="day, week or month.")] = "week",
    out: Annotated[Path | None, typer.Option(help="Folder for logs, store and chart.")] = None,
) -> None:
    """The whole job on a bundled synthetic world: served, crawled, read, indexed; trends beside the known truth."""
    from index.open import open_store
    from monitor.demo.chart import draw_chart
    from monitor.demo.compare import compare, summarise
    from monitor.demo.run import prepare_folder, run_demo
    from monitor.demo.tor_network import find_tor
    from monitor.demo.world import World

    if tor:
        find_tor()
    state = current(context)
    started = monotonic()
    length = days if days is not None else (3 if tor else 182)
    folder = out or state.settings.data_dir / f"demo-{seed}"
    prepare_folder(folder)
    settings = state.settings.model_copy(update={"data_dir": folder, "key_file": None})
    store = open_store(settings.store_url)
    try:
        with progress() as bars:
            task = bars.add_task("demo", total=length)
            world = World(seed, length)
            done = run_demo(
                world,
                settings,
                store,
                tor=tor,
                progress=lambda what, at, of: bars.update(task, description=what, completed=at, total=of),
            )
            bars.update(task, description="asking", completed=length)
            rows = compare(store, world, "day" if by == "week" and length < 21 else by)
            if serve:
                from monitor.demo.watch import watch

                watch(store, settings, world)
    finally:
        store.close()
    chart = folder / "chart.svg"
    draw_chart(
        [row for row in rows if row["series"] in _headline_series(rows)],
        chart,
        f"Dropline demo, seed {seed}: measured beside true",
    )
    if state.form is Format.TABLE:
        _show(rows, summarise(rows), done)
    else:
        write_rows(rows, state.form)
    note(f"Chart: {chart}")
    note(f"Store: {settings.store_url} (try: dropline --store {settings.store_url} trends price --split substance)")
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(done.outcomes.items()))
    note(
        f"{length} days, {len(done.crawls)} crawls ({outcomes}), {done.pages} pages, {done.observations} observations, "
        f"{done.offer_days} offer-days in {monotonic() - started:.0f} s."
    )
    if serve:
        from monitor.cli.serve import run

        run(settings, port=port)


def _headline_series(rows: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(row["series"] for row in rows if row["measure"] in HEADLINES))
    return names[:10]


def _show(rows: list[dict[str, Any]], summary: list[dict[str, Any]], done: DemoRun) -> None:
    per_cent = [
        {**row, "difference %": None if row["difference"] is None else round(100 * row["difference"], 2) + 0.0}
        for row in rows
    ]
    events = {event.substance for event in done.world.events if event.kind == "price-shock"}
    chosen = [
        name
        for name in dict.fromkeys(row["series"] for row in rows)
        if (name.startswith(("listings · ", "turnover · "))
        and name.count("·") == 1)
        or any(name.startswith("price · ") and substance and substance in name for substance in events)
    ]
    for name in chosen:
        part = [{key: row.get(key) for key in SHOWN if key != "series"} for row in per_cent if row["series"] == name]
        unit = next(row["unit"] for row in rows if row["series"] == name)
        write_rows(
            part,
            Format.TABLE,
            title=f"{name}{f' (USD per {unit})' if unit not in (None, 'USD') else f' ({unit})' if unit else ''}",
            columns=("bucket", "value", "truth", "difference %"),
        )
    write_rows(summary, Format.TABLE, title="All series: measured against true")
    planted = [
        {
            "planted": event.kind,
            "market": event.market,
            "first": event.first.isoformat(),
            "last": event.last.isoformat() if event.last else "",
            "what": event.substance or event.region or event.note,
        }
        for event in done.world.events
    ]
    write_rows(planted, Format.TABLE, title="Planted events")
