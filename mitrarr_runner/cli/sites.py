"""init, demo, serve, schema: making a site, trying one, serving one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from mitrarr_runner import footing
from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.place import place
from mitrarr_runner.cli.session import Session
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine.places import Call, did_you_mean
from mitrarr_runner.errors import UsageError
from mitrarr_runner.site import MARKER, Site
from mitrarr_runner.text import mark, text


def demo(
    ctx: typer.Context,
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help=mark("A new folder, or that of an earlier demo."))
    ],
) -> int:
    from mitrarr_runner.engine.demo.report import report
    from mitrarr_runner.engine.demo.run import run

    here = session(ctx)

    def tell(line: str) -> None:
        here.print(line)
        here.out.flush()

    done = run(Path(folder), here.clock, here.say, tell)
    tell("")
    for line in report(done, folder, here.say):
        tell(line)
    return 1 if done.problems else 0


def init(
    ctx: typer.Context,
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help=mark("The site's folder; made if missing."))
    ],
) -> int:
    from mitrarr_runner import templates

    here = session(ctx)
    root = (here.cwd / folder).absolute()
    manifest = root / "configs" / "prod" / "00-site.yaml"
    if manifest.exists():
        raise UsageError(
            text("{path} exists already", path=str(manifest)),
            code="site_exists",
            hint=text("edit it, or choose another folder"),
        )
    footing.check(root / "state", making=root.is_dir())  # a new folder belongs to who makes it
    manifest.parent.mkdir(parents=True, exist_ok=True)
    (root / "entrada").mkdir(exist_ok=True)
    (root / MARKER).touch()
    manifest.write_text(templates.render_file("site_manifest.yaml.j2", {}), encoding="utf-8")
    Site(root).make()
    here.print(text("a new site in {path}", path=str(root)))
    there = "" if root.resolve() == here.cwd.resolve() else f"cd {folder} && "
    for line in (
        text("  1. edit {path}", path=os.path.relpath(manifest, here.cwd)),
        text("  2. {there}mitrarr validate && mitrarr plan", there=there),
        text("  3. {there}mitrarr cron install", there=there),
    ):
        here.print(line)
    return 0


def serve(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help=mark("0 takes a free port."))
    ] = 8000,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    from mitrarr_runner.api import server
    from mitrarr_runner.api.sites import Desk

    here = session(ctx)
    found = place(here, config)
    listening = server.listen(port)
    used = listening.getsockname()[1]
    here.print(text("mitrarr serves http://127.0.0.1:{port}  (Ctrl-C ends it)", port=str(used)))
    _tell_access(here, found.manifest.api.loopback)
    here.out.flush()
    call = Call(here.environment, here.cwd)
    server.serve(Desk(call, config, here.clock, here.say), listening)
    return 0


def _tell_access(here: Session, loopback: str | None) -> None:
    if loopback == "operator":
        here.print(text("  calls from this machine need no token (api.loopback: operator)"))
    else:
        here.print(text("  every call is refused: the manifest has no api.loopback: operator"))


def schema(
    ctx: typer.Context,
    step: Annotated[
        str | None, typer.Option("--step", help=mark("The options of one step kind instead."))
    ] = None,
) -> int:
    from mitrarr_runner import resources
    from mitrarr_runner.steps import KINDS

    here = session(ctx)
    if step is not None and step not in KINDS:
        raise UsageError(
            text('there is no step kind "{name}"', name=step),
            code="usage",
            hint=did_you_mean(step, KINDS) or text("step kinds: {names}", names=", ".join(KINDS)),
        )
    name = "manifest.schema.json" if step is None else f"steps/{step}.schema.json"
    data = json.loads((resources.folder("schemas") / name).read_text(encoding="utf-8"))
    here.write_json((json.dumps(data, ensure_ascii=False, indent=2), "\n"))
    return 0


VERBS = (
    Verb(
        "init",
        init,
        mark("Make a new site with a commented manifest.\n\nExample: mitrarr init ./site"),
    ),
    Verb(
        "demo",
        demo,
        mark(
            "A whole site with made data and a simulated FindFace, run end to end."
            "\n\nExample: mitrarr demo ./demo-site"
        ),
    ),
    Verb(
        "serve",
        serve,
        mark(
            "Serve pause, resume and states on 127.0.0.1."
            "\n\nExample: curl -X POST http://localhost:8000/jobs/job_a/pause"
        ),
    ),
    Verb("schema", schema, mark("Print the JSON Schema of manifests, for editors.")),
)
