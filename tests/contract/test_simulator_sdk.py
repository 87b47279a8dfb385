"""The vendor's own client against the simulator: what it accepts, parses and raises is what ours may rely on.

Beware of its urllib3: a 429 or 503 with Retry-After is slept on and retried without a word.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest

from turnkeeper.simulator import Running, Simulation, serve

Connect = Callable[[Running], Any]


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The SDK, imported with a home folder of its own, since it watches files there from threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        try:
            yield import_module("PureCloudPlatformClientV2")
        except ImportError:
            pytest.fail("the vendor's SDK is missing: .venv/bin/python -m pip install --group test")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One simulation without faults."""
    with serve(Simulation(conversations=200)) as served:
        yield served


@pytest.fixture
def faulty() -> Iterator[Callable[..., Running]]:
    """Simulations with faults."""
    with ExitStack() as stack:
        yield lambda *faults, **more: stack.enter_context(
            serve(Simulation(conversations=30, faults=frozenset(faults), **more))
        )


@pytest.fixture(scope="module")
def connect(sdk: Any) -> Connect:
    """A logged-in client of the SDK for a simulation."""

    def connected(served: Running) -> Any:
        sdk.configuration.host = served.base_url
        client = sdk.api_client.ApiClient()
        return client.get_client_credentials_token(served.client_id, served.client_secret)

    return connected


@pytest.fixture(scope="module")
def client(connect: Connect, running: Running) -> Any:
    """A logged-in client of the faultless simulation."""
    return connect(running)


def query(sdk: Any, interval: str, size: int = 100) -> Any:
    """A details query for recorded voice conversations."""
    asked = sdk.ConversationQuery()
    asked.interval, asked.order, asked.order_by = interval, "asc", "conversationStart"
    asked.paging = sdk.PagingSpec()
    asked.paging.page_size, asked.paging.page_number = size, 1
    predicate = sdk.SegmentDetailQueryPredicate()
    predicate.type, predicate.dimension, predicate.operator, predicate.value = (
        "dimension",
        "mediaType",
        "matches",
        "voice",
    )
    block = sdk.SegmentDetailQueryFilter()
    block.type, block.predicates = "and", [predicate]
    asked.segment_filters = [block]
    return asked


def test_gateway_address_gives_a_token_too(sdk: Any, running: Running) -> None:
    client = sdk.api_client.ApiClient()
    client.set_gateway("127.0.0.1", "http", int(running.base_url.rpartition(":")[2]), "login", "")
    assert client.get_client_credentials_token(running.client_id, running.client_secret).access_token


def test_wrong_secret_raises_with_the_oauth_body(sdk: Any, running: Running) -> None:
    sdk.configuration.host = running.base_url
    with pytest.raises(sdk.rest.ApiException) as refused:
        sdk.api_client.ApiClient().get_client_credentials_token(running.client_id, "guess")
    assert refused.value.status == 401
    assert "authentication failed" in refused.value.body


def test_details_query_by_day(sdk: Any, client: Any, running: Running) -> None:
    answer = sdk.AnalyticsApi(client).post_analytics_conversations_details_query(
        query(sdk, "2026-10-05T00:00:00.000Z/2026-10-06T00:00:00.000Z")
    )
    voices = [n for n in range(144) if running.simulation.script(n).media_type == "voice"]
    assert answer.total_hits == len(voices)
    assert len(answer.conversations) == 100
    first = answer.conversations[0]
    assert first.conversation_id == running.conversation_ids[0]
    assert first.conversation_start.year == 2026
    assert first.conversation_end > first.conversation_start
    session = first.participants[0].sessions[0]
    assert (session.media_type, session.recording, session.segments[0].segment_type) == ("voice", True, "interact")
    assert {participant.purpose for participant in first.participants} == {"customer", "ivr", "acd", "agent"}


def test_details_by_id_single_and_several(sdk: Any, client: Any, running: Running) -> None:
    api = sdk.AnalyticsApi(client)
    ids = running.conversation_ids[:3]
    assert api.get_analytics_conversation_details(ids[0]).conversation_id == ids[0]
    assert [one.conversation_id for one in api.get_analytics_conversations_details(id=ids).conversations] == ids


def test_job_from_submission_to_last_page(sdk: Any, client: Any, running: Running) -> None:
    api = sdk.AnalyticsApi(client)
    asked = sdk.AsyncConversationQuery()
    asked.interval = "2026-10-05T00:00:00.000Z/2026-10-06T00:00:00.000Z"
    job = api.post_analytics_conversations_details_jobs(asked).job_id
    states = [api.get_analytics_conversations_details_job(job).state for _ in range(3)]
    assert states == ["QUEUED", "PENDING", "FULFILLED"]
    first = api.get_analytics_conversations_details_job_results(job, page_size=100)
    last = api.get_analytics_conversations_details_job_results(job, page_size=100, cursor=first.cursor)
    assert len(first.conversations) == 100
    assert len(last.conversations) == 44
    assert last.cursor is None
    assert api.get_analytics_conversations_details_jobs_availability().data_availability_date


def test_transcript_url_leads_to_the_file(sdk: Any, client: Any, running: Running) -> None:
    api, script = sdk.SpeechTextAnalyticsApi(client), running.simulation.script(0)
    leg = script.parties[0].communication
    url = api.get_speechandtextanalytics_conversation_communication_transcripturl(script.id, leg).url
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert script.id.encode() in answer.read()
    several = api.get_speechandtextanalytics_conversation_communication_transcripturls(script.id, leg)
    assert several.communication_id == leg
    assert several.conversation.id == script.id
    assert several.urls[0].recording.id
    assert several.urls[0].url != url
    assert api.get_speechandtextanalytics_conversation(script.id).conversation.id == script.id


def test_missing_transcript_raises_the_error_body(sdk: Any, client: Any, running: Running) -> None:
    api, script = sdk.SpeechTextAnalyticsApi(client), running.simulation.script(0)
    with pytest.raises(sdk.rest.ApiException) as refused:
        api.get_speechandtextanalytics_conversation_communication_transcripturl(
            script.id, script.parties[1].communication
        )
    assert refused.value.status == 404
    assert '"code":"resource.not.found"' in refused.value.body
    assert refused.value.headers["ININ-Correlation-Id"] in refused.value.body


def test_summaries_and_sentiments_are_404_which_means_none(sdk: Any, client: Any, running: Running) -> None:
    """vendor-facts-2 M1.5."""
    api, conversation = sdk.SpeechTextAnalyticsApi(client), running.conversation_ids[0]
    for ask in (
        api.get_speechandtextanalytics_conversation_summaries,
        api.get_speechandtextanalytics_conversation_sentiments,
    ):
        with pytest.raises(sdk.rest.ApiException) as refused:
            ask(conversation)
        assert refused.value.status == 404


def test_a_client_has_no_active_conversations_of_its_own(sdk: Any, client: Any) -> None:
    """vendor-facts-2 M1.7: they are the signed-in user's, and a client is none."""
    api = sdk.ConversationsApi(client)
    assert api.get_conversations().entities == []
    assert api.get_conversations_calls().entities == []


def test_directory(sdk: Any, client: Any, running: Running) -> None:
    people = running.simulation.people
    users = sdk.UsersApi(client).get_users(page_size=5, page_number=2)
    assert (users.total, users.page_count, len(users.entities)) == (12, 3, 5)
    assert [user.name for user in users.entities] == [user.name for user in people.users[5:10]]
    named = sdk.UsersApi(client).get_users(id=[user.id for user in people.users[:2]])
    assert [user.id for user in named.entities] == [user.id for user in people.users[:2]]
    routing = sdk.RoutingApi(client)
    assert [queue.name for queue in routing.get_routing_queues().entities] == [queue.name for queue in people.queues]
    assert routing.get_routing_queue(people.queues[3].id).name == "Atención en Español"
    assert len(routing.get_routing_wrapupcodes(page_size=100).entities) == 6
    assert routing.get_routing_wrapupcode(people.wrapups[0].id).name == people.wrapups[0].name


def test_who_am_i(sdk: Any, client: Any, running: Running) -> None:
    organization = running.simulation.people.organization
    assert sdk.TokensApi(client).get_tokens_me().organization.id == organization.id
    assert sdk.OrganizationApi(client).get_organizations_me().name == organization.name


def test_rate_headers_are_visible(sdk: Any, client: Any) -> None:
    sdk.UsersApi(client).get_users()
    headers = client.last_response.getheaders()
    assert int(headers["inin-ratelimit-count"]) >= 1
    assert headers["inin-ratelimit-allowed"] == "300"
    assert 1 <= int(headers["inin-ratelimit-reset"]) <= 60


def test_bare_429_raises_with_the_limit_that_was_hit(
    sdk: Any, connect: Connect, faulty: Callable[..., Running]
) -> None:
    client = connect(faulty("throttle-bare=1"))
    with pytest.raises(sdk.rest.ApiException) as refused:
        sdk.UsersApi(client).get_users()
    assert refused.value.status == 429
    assert "client.credentials.token.rate.per.minute" in refused.value.body
    assert "retry-after" not in {name.lower() for name in refused.value.headers}


def test_429_with_retry_after_is_slept_on_in_silence(
    sdk: Any, connect: Connect, faulty: Callable[..., Running]
) -> None:
    served = faulty("throttle=2")
    users = sdk.UsersApi(connect(served))
    assert len(users.get_users().entities) == len(users.get_users().entities) == 12
    assert served.simulation.counts.snapshot()["users"] == 3


@pytest.mark.parametrize(("fault", "status"), [("denied-users", 403), ("token-dead", 401), ("server-error", 500)])
def test_other_refusals_raise(
    sdk: Any, connect: Connect, faulty: Callable[..., Running], fault: str, status: int
) -> None:
    client = connect(faulty(fault))
    with pytest.raises(sdk.rest.ApiException) as refused:
        sdk.UsersApi(client).get_users()
    assert refused.value.status == status
    assert '"contextId"' in refused.value.body


def test_search_lists_what_has_a_transcript(sdk: Any, connect: Connect) -> None:
    with serve(Simulation(conversations=200, now=datetime(2026, 11, 2, tzinfo=UTC))) as served:
        clause = sdk.TranscriptSearchCriteria()
        clause.type, clause.fields = "DATE_RANGE", ["conversationStartTime"]
        clause.start_value, clause.end_value = "2026-10-05T00:00:00", "2026-10-05T09:00:00"
        clause.date_format = "yyyy-MM-dd'T'HH:mm:ss"
        asked = sdk.TranscriptSearchRequest()
        asked.types, asked.page_size, asked.page_number, asked.query = ["transcripts"], 20, 2, [clause]
        found = sdk.SpeechTextAnalyticsApi(connect(served)).post_speechandtextanalytics_transcripts_search(asked)
        scripts = [served.simulation.script(n) for n in range(36)]
        # Late ones are not there yet, absent ones never are.
        pairs = [
            (script.id, script.parties[leg.party].communication)
            for script in scripts
            for leg in script.legs
            if script.scenario != "late"
        ]
        assert (found.total, found.page_number, found.page_size) == (len(pairs), 2, 20)
        listed = [(row["conversationId"], row["communicationId"]) for row in found.results]
        assert listed == pairs[20:40]
        asked.page_number = 51
        with pytest.raises(sdk.rest.ApiException, match="1000 results"):
            sdk.SpeechTextAnalyticsApi(connect(served)).post_speechandtextanalytics_transcripts_search(asked)


def test_recordings_are_listed_with_links_and_pauses(
    sdk: Any, connect: Connect, faulty: Callable[..., Running]
) -> None:
    served = faulty(calls=True)
    recording = sdk.RecordingApi(connect(served))
    conversation = served.simulation.call_ids["secure-pause"]
    (one,) = recording.get_conversation_recordings(conversation, max_wait_ms=5000, format_id="WAV")
    assert one.media == "audio"
    assert one.file_state == "AVAILABLE"
    assert [(pause.type, pause.reason) for pause in one.annotations] == [("pause", "SecurePause")]
    assert one.annotations[0].realtime_location > 0
    assert one.end_time > one.start_time
    with urllib.request.urlopen(one.media_uris["S"].media_uri) as body:
        assert body.read(4) == b"RIFF"
    (told,) = recording.get_conversation_recordingmetadata(conversation)
    assert (told.id, told.session_id) == (one.id, one.session_id)
    assert recording.get_conversation_recording(conversation, one.id).id == one.id
    assert recording.get_conversation_recordingmetadata_recording_id(conversation, one.id).id == one.id


def test_202_is_an_empty_list_to_this_client(sdk: Any, connect: Connect, faulty: Callable[..., Running]) -> None:
    served = faulty("transcoding")
    client = connect(served)
    recording, conversation = sdk.RecordingApi(client), served.conversation_ids[0]
    assert recording.get_conversation_recordings(conversation) == []
    assert client.last_response.status == 202
    assert recording.get_conversation_recordings(conversation) == []
    assert len(recording.get_conversation_recordings(conversation)) == 1


def test_a_batch_is_submitted_and_read(sdk: Any, connect: Connect, faulty: Callable[..., Running]) -> None:
    served = faulty(calls=True)
    recording = sdk.RecordingApi(connect(served))
    wanted = sdk.BatchDownloadRequest()
    wanted.conversation_id = served.simulation.call_ids["plain"]
    body = sdk.BatchDownloadJobSubmission()
    body.batch_download_request_list = [wanted]
    job = recording.post_recording_batchrequests(body)
    assert recording.get_recording_batchrequest(job.id).status == "InProgress"
    done = recording.get_recording_batchrequest(job.id)
    assert (done.status, done.result_count, done.error_count) == ("Completed", 1, 0)
    assert done.results[0].content_type == "audio/ogg"
    with urllib.request.urlopen(done.results[0].result_url) as file:
        assert file.read(4) == b"OggS"
