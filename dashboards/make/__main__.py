"""Writes the dashboards beside this folder, or with `--check` says whether they are what it would write.

    python3 dashboards/make [--check]
"""

import json
import pathlib
import sys

import city
import daemon
import sites_and_firms
import unit

BOARDS = {"city": city, "sites-and-firms": sites_and_firms, "unit": unit, "daemon": daemon}
FOLDER = pathlib.Path(__file__).resolve().parent.parent


def main():
    stale = []
    for name, module in BOARDS.items():
        text = json.dumps(module.board().to_json(), ensure_ascii=False, indent=2) + "\n"
        file = FOLDER / f"{name}.json"
        if "--check" in sys.argv:
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                stale.append(file.name)
        else:
            file.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"not what dashboards/make writes: {', '.join(stale)}; run python3 dashboards/make")


if __name__ == "__main__":
    main()
