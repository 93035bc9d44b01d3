"""What the build does before it packs: the types come from the contract of the checkout that it is built in."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent


class Generated(BuildHookInterface[Any]):
    """Writes `katha_client/generated/`. In a source distribution there is no contract beside it, but what was made from it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Before the files are collected."""
        if (HERE.parents[1] / "schema" / "schema.graphql").exists():
            runpy.run_path(str(HERE / "generate.py"))["main"]()
        elif not (HERE / "src" / "katha_client" / "generated" / "types.py").exists():
            raise FileNotFoundError("katha-client is built in a checkout of Katha, or from its source distribution")
