"""K3, the environment: proxies of every kind, and buckets with demands."""

from __future__ import annotations

from collections.abc import Mapping

from tests.field.case import Verdict, case
from tests.field.network import AWS, Bucket, refusing_proxy, socks_proxy
from tests.field.world import Ran, World

PASSWORD = "hunter-2-secret"
BAD = f"http://user:{PASSWORD}#word@proxy.test:3128"
DENIED = (
    403,
    "AccessDenied",
    "not authorized to perform: s3:PutObject with an explicit deny in a resource-based policy",
)
UNKNOWN = (400, "InvalidArgument", "the header x-amz-checksum-sha256 is not supported")


def _one_sentence(ran: Ran, variable: str) -> bool:
    """Exit 2, the variable named in an error of two lines (what and how to mend it), and nothing of its value."""
    said = ran.out + ran.err
    return ran.code == 2 and variable in ran.err and PASSWORD not in said and "word@" not in said


@case("K3", "platform", "ALL_PROXY=socks5h://…; get", "the call comes through the SOCKS proxy")
def socks_proxy_is_used(world: World) -> Verdict:
    platform = world.platform()
    port, asked = world.stack.enter_context(socks_proxy())
    ran = world.cli("get", platform.ids[0], "--to", "archive", "--quiet", ALL_PROXY=f"socks5h://127.0.0.1:{port}")
    return Verdict(ran.code == 0 and len(world.archived()) == 1 and bool(asked), f"{ran.now}; {len(asked)} connections")


@case("K3", "platform", "ALL_PROXY=socks5h://… without the extra; get, doctor", "a sentence naming the extra, exit 2")
def socks_without_its_package(world: World) -> Verdict:
    world.platform()
    world.env |= {"ALL_PROXY": "socks5h://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    code = "import sys; sys.modules['socksio'] = None; from turnkeeper.cli import main; main(sys.argv[1:] or {})"
    runs = [world.python(code.format(verb)) for verb in (["doctor"], ["get", "x", "--to", "a", "-q"])]
    ok = all(_one_sentence(ran, "ALL_PROXY") and "turnkeeper[socks]" in ran.err for ran in runs)
    return Verdict(ok, " / ".join(ran.now for ran in runs))


@case(
    "K3",
    "platform",
    "proxy variables with # in the password, ftp://, http://[::1; get, doctor, export, verify s3://",
    "a sentence naming the variable without its value, exit 2",
)
def proxy_that_cannot_be(world: World) -> Verdict:
    platform = world.platform()
    export = ("export", "--to", "a", "--last", "1d", "-q")
    tried: list[tuple[str, str, tuple[str, ...], Mapping[str, str]]] = [
        ("HTTP_PROXY", BAD, ("get", platform.ids[0], "--to", "a", "-q"), {}),
        ("https_proxy", "http://[::1", ("doctor",), {}),
        ("ALL_PROXY", f"ftp://u:{PASSWORD}@proxy.test", export, {}),
        ("HTTPS_PROXY", BAD, ("verify", "s3://bucket/a"), AWS),
    ]
    runs = [(variable, world.cli(*verb, **{variable: value}, **more)) for variable, value, verb, more in tried]
    helpful = "%23" in runs[0][1].err
    ok = helpful and all(_one_sentence(ran, variable) for variable, ran in runs)
    return Verdict(ok, " / ".join(ran.now for _, ran in runs))


@case(
    "K3",
    "platform",
    "the proxy answers 407; get, doctor, and verify of a bucket",
    '"the proxy wants credentials" and the variable; the proxy\'s row fails',
)
def proxy_wants_credentials(world: World) -> Verdict:
    platform = world.platform()
    port, _ = world.stack.enter_context(refusing_proxy())
    world.env |= {"HTTP_PROXY": f"http://user:{PASSWORD}@127.0.0.1:{port}"}
    get = world.cli("get", platform.ids[0], "--to", "a", "-q")
    store = world.cli("verify", "s3://bucket/a", **AWS, AWS_ENDPOINT_URL="http://store.test")
    doctor = world.cli("doctor")
    told = all(_one_sentence(ran, "HTTP_PROXY") and "the proxy wants credentials" in ran.err for ran in (get, store))
    row = next((line for line in doctor.out.splitlines() if line[6:].startswith("proxy ")), "")
    honest = row.startswith("FAIL") and "wants credentials" in row and doctor.code == 3
    return Verdict(told and honest, f"{get.now} / {store.now} / doctor {doctor.code}: {row}")


@case("K3", "platform", "GENESYS_BASE_URL is set; get --region eu-west-1", "the region is asked, not the gateway")
def option_wins_over_environment(world: World) -> Verdict:
    platform = world.platform()
    port, asked = world.stack.enter_context(refusing_proxy())
    env = {"HTTPS_PROXY": f"http://127.0.0.1:{port}"}
    ran = world.cli("get", platform.ids[0], "--to", "a", "-q", "--region", "eu-west-1", **env)
    ok = ran.code == 2 and any("mypurecloud.ie" in line for line in asked) and not platform.spoiled.asked
    return Verdict(ok, f"{ran.now}; the proxy was asked: {asked[:1]}")


@case(
    "K3",
    "archive",
    "the bucket's policy demands SSE AES256; get, doctor --to, get --sse AES256 with another key in the environment",
    "S3's own reason and --sse; doctor names which; then it is kept",
)
def bucket_demands_encryption(world: World) -> Verdict:
    platform = world.platform()
    bucket = Bucket(lambda put: None if put.get("x-amz-server-side-encryption") == "AES256" else DENIED)
    world.env |= world.stack.enter_context(bucket).env
    get = ("get", platform.ids[0], "--to", "s3://bucket/a", "-q")
    refused, doctor = world.cli(*get), world.cli("doctor", "--to", "s3://bucket/a")
    kept = world.cli(*get, "--sse", "AES256", TURNKEEPER_KMS_KEY="another-key")
    told = "explicit deny in a resource-based policy" in refused.err and "--sse AES256" in refused.err
    found = "explicit deny" in doctor.out and "allowed with --sse AES256" in doctor.out and doctor.code == 3
    ok = refused.code == 4 and told and found and kept.code == 0 and any("manifests/" in key for key in bucket.objects)
    return Verdict(ok, f"{refused.now}; doctor {doctor.code}; with --sse {kept.code}")


@case(
    "K3",
    "archive",
    "the store refuses checksum headers; get, doctor --to, get with TURNKEEPER_CHECKSUM=off",
    "the probe finds the switch and names it; then it is kept",
)
def store_refuses_checksums(world: World) -> Verdict:
    platform = world.platform()
    bucket = Bucket(lambda put: UNKNOWN if "x-amz-checksum-sha256" in put else None)
    world.env |= world.stack.enter_context(bucket).env
    get = ("get", platform.ids[0], "--to", "s3://bucket/a", "-q")
    refused, doctor = world.cli(*get), world.cli("doctor", "--to", "s3://bucket/a")
    kept = world.cli(*get, TURNKEEPER_CHECKSUM="off")
    told = "--checksum off" in refused.err and "allowed with --checksum off" in doctor.out and doctor.code == 3
    ok = refused.code == 1 and told and kept.code == 0 and any("manifests/" in key for key in bucket.objects)
    return Verdict(ok, f"{refused.now}; doctor {doctor.code}; with the switch {kept.code}")
