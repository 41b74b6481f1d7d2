"""The command line: `python -m ci.bench [NAME]... [--runs N] [--json] [--list]`; without a name, all of them.

Exit code 0 when everything was measured, whatever the figures; 3 when something could not be. What others are needed
for, and they are not here, is said and left out.
"""

from __future__ import annotations

import json
import sys

import click

from ci.bench.measure import Bench, as_line, as_record, measure
from ci.bench.programs import BenchError, PeerError
from ci.bench.registry import BENCHES, GROUPS


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*BENCHES, *GROUPS]), metavar="[NAME]...")
@click.option("--runs", type=click.IntRange(min=1), help="How often each side is measured.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each benchmark, with every value.")
@click.option("--list", "show_list", is_flag=True, help="Say what there is, and measure nothing.")
def main(names: tuple[str, ...], runs: int | None, as_json: bool, show_list: bool) -> None:
    """Measure ours against a reference, alternately, and print the ratio of the medians."""
    chosen = [BENCHES[each] for name in names or BENCHES for each in GROUPS.get(name, (name,))]
    if show_list:
        for bench in chosen:
            print(f"{bench.name:16} {promise(bench):8} {bench.what}")
        return
    failed = False
    for bench in chosen:
        try:
            result = measure(bench, runs)
        except PeerError as error:
            print(f"{bench.name} left out: {error}", file=sys.stderr)
            continue
        except (BenchError, ImportError) as error:
            print(f"{bench.name} could not be measured: {error}", file=sys.stderr)
            failed = True
            continue
        print(json.dumps(as_record(result)) if as_json else as_line(result), flush=True)
    sys.exit(3 if failed else 0)


def promise(bench: Bench) -> str:
    """Return the bound on the ratio as it is usually written."""
    if bench.reach is None:
        return "-"
    return f"{'<=' if bench.better == 'less' else '>='} {bench.reach:g}"


if __name__ == "__main__":
    main()
