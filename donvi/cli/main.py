"""The command ``donvi``: what starts it, and what an error turns into.

The verbs are in :mod:`donvi.cli.commands`. One of them is run by other programs for every command of theirs and is
started without loading the others. Exit codes: 0 done, 2 wrong usage or bad data, 5 the engine failed, 7 locked, 1
anything else that failed.
"""

from __future__ import annotations

import sys

from donvi.errors import DonviError

CREDENTIAL = ["cluster", "credential"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        _run(given)
    except DonviError as error:
        from donvi.cli.output import print_error

        print_error(error, as_json="--json" in given)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _run(given: list[str]) -> None:
    if given == CREDENTIAL:
        from donvi.cli.cluster.credential import print_credential

        print_credential()
        return
    from donvi.cli.commands import app

    app(args=given, prog_name="donvi")


if __name__ == "__main__":
    main()
