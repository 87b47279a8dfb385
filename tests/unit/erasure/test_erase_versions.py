"""Buckets that keep versions, on a real SeaweedFS: what is erased can be read in no version, or is said to be held.

SeaweedFS 4.48 was looked at first: it keeps versions and delete markers, refuses to delete a version under COMPLIANCE
retention (403 AccessDenied) or a legal hold, and answers HEAD with the lock's mode and date.
"""

from __future__ import annotations

import builtins
import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.exceptions
import pytest
from tests.unit.small_calls import SECRET, Failing, Killed, keep, view_key

from turnkeeper.archive import keys
from turnkeeper.archive.index import CallState, Index, LegState
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.clock import ManualClock, SystemClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.erasure.erase import Eraser
from turnkeeper.errors import Denied, Erased
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import BytesSource
from turnkeeper.storage.object_store import Store, open_store
from turnkeeper.storage.versions import ObjectVersion, VersionedBucket, Versioning, detect_versioning

Make = Callable[..., "Place"]


class Place:
    """A bucket of its own with an archive below a prefix, and a client that is not ours."""

    def __init__(self, server: LocalS3, settings: StoreSettings, *, lock: bool, versions: bool) -> None:
        self.bucket = f"kept-{secrets.token_hex(6)}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=self.bucket, **({"ObjectLockEnabledForBucket": True} if lock else {}))
        if versions:
            self.client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.settings = settings
        self.store: Store = open_store(f"s3://{self.bucket}/calls/one", settings)

    def retain(self, days: int) -> None:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": days}}
        self.client.put_object_lock_configuration(
            Bucket=self.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )

    def versions(self, part: str = "", kind: str = "Versions") -> list[tuple[str, str]]:
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        found = [(one["Key"], one["VersionId"]) for page in pages for one in page.get(kind, [])]
        return [(key, version) for key, version in found if part in key and "_turnkeeper" not in key]

    def notes(self) -> Iterator[bytes]:
        """Every version of the index and of run reports."""
        for place in ("states", "runs"):
            listed = self.client.list_object_versions(Bucket=self.bucket, Prefix=f"calls/one/_turnkeeper/{place}/")
            for one in listed.get("Versions", ()):
                got = self.client.get_object(Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"])
                yield got["Body"].read()

    def bodies(self) -> Iterator[bytes]:
        for key, version in self.versions():
            yield self.client.get_object(Bucket=self.bucket, Key=key, VersionId=version)["Body"].read()


pytestmark = pytest.mark.slow


@pytest.fixture
def place(local_s3: LocalS3, s3_settings: StoreSettings) -> Make:
    return lambda lock=False, versions=True: Place(local_s3, s3_settings, lock=lock, versions=versions)


def busy(place: Place) -> None:
    """Two calls with several generations, overwritten and deleted objects, so that there are versions of everything."""
    for name in ("call-1", "call-2"):
        keep(place.store, name)
        keep(place.store, name, f"{SECRET} and more")
        place.store.put(f"transcripts/{name}.json", SECRET.encode())
        place.store.delete(f"summaries/{name}.json")
        place.store.put_stream(f"audio/{name}/rec.0123456789abcdef.opus", BytesSource(SECRET.encode() * 300_000))


def test_no_version_is_left_of_an_erased_call_and_every_one_of_the_other(place: Make) -> None:
    here = place()
    busy(here)
    before = here.versions("call-2"), here.versions("call-2", "DeleteMarkers")
    count = len(here.versions("call-1"))
    assert count > 9
    proof = Archive(here.store, clock=ManualClock()).erase(["call-1"])
    assert here.versions("call-1") == here.versions("call-1", "DeleteMarkers") == []
    assert (here.versions("call-2"), here.versions("call-2", "DeleteMarkers")) == before
    assert (proof.proven, proof.versioning, proof.erasures[0].versions) == (True, "kept", count)
    assert not list(PendingErasures(here.store).all())
    with pytest.raises(Erased):
        keep(here.store, "call-1")
    assert here.versions("call-1") == []


def test_no_version_of_the_index_or_of_a_run_report_tells_of_an_erased_call(place: Make) -> None:
    here = place()
    busy(here)
    report = '{"failures":[{"conversation":"call-1","message":"leg-of-call-1"}],"done":1}'
    here.store.put("_turnkeeper/runs/2026-09-21T120000Z--2026-09-21T130000Z.json", report.encode())
    leg = LegState(id="leg-of-call-1", state="failed", reason="words of call-1")
    Index(here.store).commit("2026-09-21", [CallState(conversation="call-1", state="done", legs=(leg,))])
    traces = (b"leg-of-call-1", b"words of call-1")
    assert {trace for trace in traces for body in here.notes() if trace in body} == set(traces)
    assert Archive(here.store, clock=ManualClock()).erase(["call-1"]).proven
    assert not [trace for trace in traces for body in here.notes() if trace in body]


def test_a_dry_run_counts_versions_and_deletes_none(place: Make) -> None:
    here = place()
    busy(here)
    before = here.versions()
    plan = Archive(here.store, clock=ManualClock()).erase(["call-1"], dry_run=True)
    assert (plan.erasures[0].versions, plan.erasures[0].state) == (len(here.versions("call-1")), "found")
    assert here.versions() == before


def test_a_bucket_that_kept_versions_once_still_has_them(place: Make) -> None:
    here = place()
    keep(here.store, "call-1")
    here.client.put_bucket_versioning(Bucket=here.bucket, VersioningConfiguration={"Status": "Suspended"})
    keep(here.store, "call-1", "other words")
    assert len(here.versions("transcripts/call-1")) == 2
    assert Archive(here.store, clock=ManualClock()).erase(["call-1"]).proven
    assert here.versions("call-1") == []


def test_objects_from_before_versioning_go_too(place: Make) -> None:
    here = place(versions=False)
    keep(here.store, "call-1")
    here.client.put_bucket_versioning(Bucket=here.bucket, VersioningConfiguration={"Status": "Enabled"})
    keep(here.store, "call-1", "other words")
    assert Archive(here.store, clock=ManualClock()).erase(["call-1"]).proven
    assert here.versions("call-1") == []


def test_what_a_lock_holds_is_named_with_its_date_and_hidden(place: Make) -> None:
    here = place(lock=True)
    here.retain(1)
    busy(here)
    held = here.versions("call-1")
    proof = Archive(here.store, clock=SystemClock()).erase(["call-1"])
    [erasure] = proof.erasures
    # One more: what the index said of the call is an object of that bucket too.
    assert (proof.proven, erasure.state, len(erasure.held), erasure.versions) == (False, "held", len(held) + 1, 0)
    assert {hold.version for hold in erasure.held} > {version for _, version in held}
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for hold in erasure.held:
        assert hold.mode == "COMPLIANCE"
        assert abs(datetime.fromisoformat(hold.until) - tomorrow) < timedelta(minutes=30)
    assert here.versions("call-1") == held
    assert not [key for key in here.store.list("") if "call-1" in key and "_turnkeeper" not in key]
    [note] = PendingErasures(here.store).all()
    assert (note.state, note.until) == ("held", max(hold.until for hold in erasure.held))
    with pytest.raises(Erased):
        keep(here.store, "call-1")
    assert here.versions("call-1") == held


def test_once_the_lock_has_ended_the_next_erasure_finishes_it(place: Make) -> None:
    here = place(lock=True)
    keep(here.store, "call-1")
    key, version = here.versions("transcripts/call-1")[0]
    until = datetime.now(UTC) + timedelta(seconds=5)
    here.client.put_object_retention(
        Bucket=here.bucket,
        Key=key,
        VersionId=version,
        Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
    )
    archive = Archive(here.store, clock=SystemClock())
    first = archive.erase(["call-1"])
    assert [hold.version for hold in first.erasures[0].held] == [version]
    assert here.versions("call-1") == [(key, version)]
    waiting = archive.erase([])
    assert (waiting.waiting, waiting.erasures) == (1, ())
    # The bucket lives by its own clock, which nobody can move: it is the one wait of these tests.
    while datetime.now(UTC) < until + timedelta(seconds=1):
        here.client.head_bucket(Bucket=here.bucket)
    done = archive.erase([])
    assert (done.proven, [erasure.state for erasure in done.erasures]) == (True, ["erased"])
    assert here.versions("call-1") == here.versions("call-1", "DeleteMarkers") == []
    assert not list(PendingErasures(here.store).all())


def test_a_legal_hold_has_no_date_and_is_tried_again_each_time(place: Make) -> None:
    here = place(lock=True)
    keep(here.store, "call-1")
    key, version = here.versions("summaries/call-1")[0]
    where = {"Bucket": here.bucket, "Key": key, "VersionId": version}
    here.client.put_object_legal_hold(**where, LegalHold={"Status": "ON"})
    archive = Archive(here.store, clock=ManualClock())
    [hold] = archive.erase(["call-1"]).erasures[0].held
    assert (hold.legal_hold, hold.until, hold.version) == (True, "", version)
    assert archive.erase([]).erasures[0].state == "held"
    here.client.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    assert archive.erase([]).proven
    assert here.versions("call-1") == []


def test_parts_of_broken_uploads_go(place: Make) -> None:
    for versions in (True, False):
        here = place(versions=versions)
        keep(here.store, "call-1")
        for name in ("call-1", "call-2"):
            key = f"calls/one/audio/{name}/rec.0123456789abcdef.opus"
            upload = here.client.create_multipart_upload(Bucket=here.bucket, Key=key)["UploadId"]
            here.client.upload_part(
                Bucket=here.bucket, Key=key, UploadId=upload, PartNumber=1, Body=SECRET.encode() * 200_000
            )
        assert Archive(here.store, clock=ManualClock()).erase(["call-1"]).proven
        left = here.client.list_multipart_uploads(Bucket=here.bucket).get("Uploads", [])
        assert [one["Key"] for one in left] == ["calls/one/audio/call-2/rec.0123456789abcdef.opus"]


def visible(place: Place) -> dict[str, bytes]:
    """What a reader of the first call sees without naming versions."""
    return {key: place.store.get(key) for key in place.store.list("") if keys.conversation_of(key) == "call-1"}


class DyingBucket(VersionedBucket):
    """A process that ends after it deleted so many versions."""

    def __init__(self, bucket: VersionedBucket, left: int) -> None:
        self.__dict__ |= bucket.__dict__
        self._left = left

    def delete(self, versions: Any) -> list[Any]:
        locks: list[Any] = []
        for version in versions:
            if self._left <= 0:
                raise Killed
            self._left -= 1
            locks += super().delete([version])
        return locks


@pytest.mark.parametrize("left", [0, 1, 5, 9])
def test_a_crash_among_the_versions_is_finished_by_the_next_erasure(place: Make, left: int) -> None:
    here = place()
    busy(here)
    before = visible(here)
    known = detect_versioning(here.store)
    assert known.bucket
    dying = Versioning(keeps_versions=True, bucket=DyingBucket(known.bucket, left))
    with pytest.raises(Killed):
        Eraser(here.store, ManualClock(), dying).erase(["call-1"], "conversation")
    assert Tombstones(here.store).has("call-1")
    assert set(visible(here)) <= set(before), "what was deleted comes back"
    assert all(before[key] == data for key, data in visible(here).items()), "an older content comes to light"
    assert Archive(here.store, clock=ManualClock()).erase([]).proven
    assert here.versions("call-1") == here.versions("call-1", "DeleteMarkers") == []


@pytest.mark.parametrize("left", [0, 3, 6])
def test_a_crash_among_the_deletions_is_finished_by_the_next_erasure(place: Make, left: int) -> None:
    here = place(versions=False)
    busy(here)
    dying: Any = Failing(here.store, "delete", left)
    with pytest.raises(Killed):
        Eraser(dying, ManualClock(), detect_versioning(here.store)).erase(["call-1"], "conversation")
    assert Archive(here.store, clock=ManualClock()).erase([]).proven
    assert here.versions("call-1") == []


def test_without_boto3_no_proof_is_given_and_with_it_later_the_rest_goes(
    place: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place()
    keep(here.store, "call-1")
    real = builtins.__import__

    def without_boto(name: str, *given: object, **more: object) -> object:
        if name.startswith("boto"):
            raise ImportError(name)
        return real(name, *given, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", without_boto)
        proof = Archive(here.store, clock=ManualClock()).erase(["call-1"])
    assert (proof.proven, proof.versioning, proof.erasures[0].state) == (False, "unknown", "unproven")
    assert "turnkeeper[aws]" in proof.mend
    assert here.versions("call-1")
    assert any(SECRET.encode() in body for body in here.bodies())
    assert Archive(here.store, clock=ManualClock()).erase([]).proven
    assert here.versions("call-1") == []


class Refusing:
    """A client of an identity that may do everything but this."""

    def __init__(self, client: Any, question: str) -> None:
        self._client, self._question = client, question

    def __getattr__(self, name: str) -> Any:
        if name != self._question:
            return getattr(self._client, name)

        def refuse(**_: Any) -> Any:
            answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise botocore.exceptions.ClientError(answer, name)

        return refuse


def test_an_identity_that_may_not_delete_versions_is_told_what_it_needs(place: Make) -> None:
    here = place()
    keep(here.store, "call-1")
    known = Versioning(
        keeps_versions=True, bucket=VersionedBucket(Refusing(here.client, "delete_objects"), here.bucket, "calls/one")
    )
    with pytest.raises(Denied) as caught:
        Eraser(here.store, ManualClock(), known).erase(["call-1"], "conversation")
    assert "s3:DeleteObjectVersion" in caught.value.hint
    assert [note.state for note in PendingErasures(here.store).all()] == ["begun"]


def test_a_refusal_without_a_lock_is_no_lock(place: Make) -> None:
    here = place()
    keep(here.store, "call-1")

    class Silent(Refusing):
        def __getattr__(self, name: str) -> Any:
            if name != "delete_objects":
                return getattr(self._client, name)
            return lambda Delete, **_: {"Errors": [{**one, "Code": "AccessDenied"} for one in Delete["Objects"]]}  # noqa: N803

    bucket = VersionedBucket(Silent(here.client, ""), here.bucket, "calls/one")
    with pytest.raises(Denied):
        bucket.delete(list(bucket.versions("transcripts/call-1/")))


def test_a_bucket_that_may_not_be_asked_is_unknown(local_s3: LocalS3, s3_settings: StoreSettings) -> None:
    wrong = StoreSettings.from_environment({**s3_settings.variables, "AWS_SECRET_ACCESS_KEY": "wrong-secret-value"})
    found = detect_versioning(open_store("s3://kept/x", wrong))
    assert found.keeps_versions is None
    assert "s3:GetBucketVersioning" in found.hint
    assert "wrong-secret" not in f"{found}"
    missing = detect_versioning(open_store("s3://no-such-bucket/x", s3_settings))
    assert missing.keeps_versions is None


def test_a_key_that_continues_another_is_not_its_version(place: Make) -> None:
    here = place()
    for name in ("call", "call.json", "call-1"):
        keep(here.store, name)
    bucket = detect_versioning(here.store).bucket
    assert bucket
    key = view_key(here.store, "transcripts/call.json")
    assert {version.key for version in bucket.versions(key)} == {key}
    here.store.put("transcripts/call.json", b"as version 1 wrote it")
    assert {version.key for version in bucket.versions("transcripts/call.json")} == {"transcripts/call.json"}
    assert Archive(here.store, clock=ManualClock()).erase(["call"]).proven
    assert sorted({key.split("/")[-2] for key, _ in here.versions("transcripts/")}) == ["call-1", "call.json"]


def test_uploads_that_may_not_be_looked_for_leave_a_doubt(place: Make) -> None:
    here = place()
    keep(here.store, "call-1")

    class Blind(Refusing):
        def get_paginator(self, name: str) -> Any:
            if name == "list_multipart_uploads":
                raise botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, name)
            return self._client.get_paginator(name)

    known = Versioning(keeps_versions=True, bucket=VersionedBucket(Blind(here.client, ""), here.bucket, "calls/one"))
    proof = Eraser(here.store, ManualClock(), known).erase(["call-1"], "conversation")
    assert (proof.proven, proof.erasures[0].state) == (False, "unproven")
    assert "uploads" in proof.erasures[0].why
    assert Archive(here.store, clock=ManualClock()).erase([]).proven


def test_a_writer_that_does_not_stop_leaves_a_doubt(place: Make) -> None:
    here = place()
    keep(here.store, "call-1")

    class Writing(VersionedBucket):
        def delete(self, versions: Any) -> Any:
            here.store.put("transcripts/call-1.json", secrets.token_bytes(8))
            return super().delete(versions)

    known = Versioning(keeps_versions=True, bucket=Writing(here.client, here.bucket, "calls/one"))
    proof = Eraser(here.store, ManualClock(), known).erase(["call-1"], "conversation")
    assert (proof.proven, proof.erasures[0].state) == (False, "unproven")
    assert "still writing" in proof.erasures[0].why


def test_many_versions_are_deleted_in_batches() -> None:
    class Counting:
        def __init__(self) -> None:
            self.sizes: list[int] = []

        def delete_objects(self, Bucket: str, Delete: Any) -> dict[str, Any]:  # noqa: N803
            self.sizes.append(len(Delete["Objects"]))
            assert json.dumps(Delete)
            return {}

    client = Counting()
    versions = [ObjectVersion(f"raw/c/l/{number}", "v", marker=False, latest=True) for number in range(2500)]
    assert VersionedBucket(client, "b", "p").delete(versions) == []
    assert client.sizes == [1000, 1000, 500]
