"""One attack on the store tried: a broken run, then an honest one, and what the archive holds then."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.hostile.command import Ran, run
from tests.hostile.judge import differences
from tests.hostile.leaks import leaks
from tests.hostile.platform import Platform
from tests.hostile.store_attacks import StoreAttack
from tests.hostile.store_proxy import Backend, StoreProxy
from tests.hostile.trial import SPAN, Trial, broken_by, masked, seen, some, states

__all__ = ["tried_on_store"]

BUCKET = "calls"


def tried_on_store(attack: StoreAttack, backend: Backend, folder: Path) -> Trial:
    """Meet the attack, then go on honestly; for attacks on readers the archive is made first."""
    prefix = re.sub(r"\W+", "-", f"{attack.verb} {attack.name}")
    to = f"s3://{BUCKET}/{prefix}/archive"
    with Platform(3) as platform, StoreProxy(backend) as proxy:
        env = (
            platform.environment()
            | proxy.environment()
            | {"XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}
        )
        export = ["export", "--to", to, *SPAN]
        if attack.read_only:
            assert run(export, env, folder / "runs").code == 0
        proxy.attack = attack.broken()
        ran = run(export if attack.verb == "export" else ["verify", to], env | dict(attack.env), folder / "runs")
        proxy.attack = None
        wrong = differences(mirrored(backend, prefix, folder / "copy"), platform.calls)
        platform.advance(86_400)
        later = run(export, env, folder / "runs")
        checked = run(["verify", to], env, folder / "runs")
        broken = broken_by(ran, wrong) + [f"again: {one}" for one in broken_by(later, [])]
        broken += [f"exit {ran.code}"] if attack.well and ran.code else []
        if attack.read_only and ran.code == 0 and "once" not in attack.name:
            broken.append("verify saw nothing")
        if checked.code != 0:
            broken.append(f"verify afterwards: {checked.words.strip().splitlines()[-1][:160]}")
        broken += some(differences(mirrored(backend, prefix, folder / "after"), platform.calls))
        broken += (
            leaks(folder / "runs", proxy.secrets) + leaks(folder / "after", proxy.secrets) + leaks(folder / "state")
        )
    again = "; ".join(states(later.out)) + (f" (exit {later.code})" if later.code else "")
    return Trial(attack, _without(seen(ran, folder), prefix, ran), ran.code, again, broken, ran.seconds, ran.mb)


def _without(text: str, prefix: str, ran: Ran) -> str:
    return masked(text.replace(prefix, "…"), Path("/nowhere"))


def mirrored(backend: Backend, prefix: str, folder: Path) -> Path:
    """A copy of the archive as files, fetched from the store itself and not through the proxy."""
    import boto3

    client: Any = boto3.client(
        "s3",
        endpoint_url=backend.endpoint,
        aws_access_key_id=backend.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=backend.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=backend.environment["AWS_REGION"],
    )
    folder.mkdir(parents=True)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/archive/"):
        for one in page.get("Contents", ()):
            path = folder / one["Key"].removeprefix(f"{prefix}/archive/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read())
    return folder
