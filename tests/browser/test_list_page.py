"""The list of a report's calls in a real browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import turnkeeper as tk
from tests.browser.conftest import Open, findings, until
from tests.browser.made import STARTED, Made, dialogue, people, spoken, write
from turnkeeper.pages.assets import page_template
from turnkeeper.pages.call_list import ListedCall, write_assets, write_index
from turnkeeper.pages.page_data import CallFacts, Gap

DAY = 86_400_000
EVIL = '<img src=x onerror="window.ran=1"></script><script>window.ran=1</script>'


@pytest.fixture(scope="session")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three calls: one heard, one silent, and one whose names are hostile."""
    calls = [
        spoken(Made("heard", dialogue(6, 2000), sync={"verdict": "verified", "offset_ms": 2.0})),
        Made(
            "long",
            dialogue(40, 4000),
            people=people("Amir Haddad", "Susan Clarke"),
            queue="Sales",
            started=STARTED + DAY,
        ),
        Made("evil", dialogue(4, 2000), people=people(EVIL, "C" * 100_000), queue=EVIL, started=STARTED + 2 * DAY),
    ]
    folder = tmp_path_factory.mktemp("list")
    return tk.report(str(write(folder / "archive", calls)), out=folder / "out").path


def test_filters_and_order(listed: Path, browse: Open) -> None:
    page = browse(listed)
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_label("Search").fill("susan")
    expect(rows).to_have_count(1)
    expect(page.locator("#count")).to_have_text("1 of 3 calls")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Length").select_option("60-300")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Queue").select_option("Sales")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Sync").select_option("verified")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.locator("#missing").select_option("yes")  # that nobody asked for a recording is no loss
    expect(rows).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    page.locator("#until").fill("2026-10-05")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Length", exact=True).click()
    expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("Amir Haddad")


def test_a_phone_filters_and_sorts_too(listed: Path, browse: Open) -> None:
    page = browse(listed, width=390, height=844)
    rows = page.locator("tbody tr")
    expect(page.get_by_label("Queue")).to_be_hidden()
    page.get_by_role("button", name="Filters", exact=True).click()
    for box in (field.bounding_box() for field in page.locator("#filters :is(input, select)").all()):
        assert box
        assert box["x"] + box["width"] <= 390 - 16
    page.get_by_label("Queue").select_option("Sales")
    expect(rows).to_have_count(1)
    expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Length", exact=True).click()
    expect(rows.first).to_contain_text("Amir Haddad")
    assert not findings(page)


def test_an_empty_list_says_so(listed: Path, tmp_path: Path, browse: Open) -> None:
    page = browse(listed)
    page.get_by_label("Search").fill("nobody of this name")
    expect(page.get_by_text("No call passes these filters.")).to_be_visible()
    expect(page.locator("table")).to_be_hidden()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    write_assets(tmp_path / "assets")
    write_index([], page_template("folder/index"), tmp_path / "none.html")
    page = browse(tmp_path / "none.html")
    expect(page.get_by_text("No call of the archive lies in this report's range.")).to_be_visible()


def test_a_row_leads_to_its_page_and_back(listed: Path, browse: Open) -> None:
    page = browse(listed)
    page.get_by_label("Search").fill("nora")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nora Whitfield with Daniel Reyes")
    expect(page.locator("#subtitle")).to_contain_text("0:13")
    expect(page.locator("#length")).to_have_text("0:13")
    page.get_by_role("link", name="All calls").click()
    expect(page.locator("tbody tr").filter(has_text="Nora")).to_contain_text("0:13")
    expect(page.get_by_role("heading", level=1)).to_have_text("Calls")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_hostile_names_are_text_and_axe_finds_nothing_serious(
    listed: Path, browse: Open, width: int, dark: bool
) -> None:
    page = browse(listed, width=width, dark=dark)
    expect(page.locator("tbody").get_by_text("<img src=x", exact=False).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.ran") is None
    assert not findings(page)


def test_what_is_missing_is_said_in_words_with_the_cause_behind_them(tmp_path: Path, browse: Open) -> None:
    """K7: `transcripts[0].phrases[1].startTimeMs: expected int` stood in front of a QA lead."""
    write_assets(tmp_path / "assets")
    gap = Gap("The transcript cannot be read", "transcripts[0].phrases[1].startTimeMs: expected int")
    bare = ListedCall(conversation="c-1", facts=CallFacts(start=STARTED), missing=[gap], page=False)
    write_index([bare], page_template("folder/index"), tmp_path / "index.html")
    page = browse(tmp_path / "index.html")
    cause = page.get_by_text("startTimeMs")
    expect(cause).to_be_hidden()
    page.get_by_text("The transcript cannot be read").click()
    expect(cause).to_be_visible()
    assert not findings(page)


def test_pages_of_a_folder_share_their_script_and_one_that_is_taken_away_says_so(
    listed: Path, tmp_path: Path, browse: Open, chromium: Browser
) -> None:
    """K7: every page carried 120 KB of the same script."""
    page = browse(listed.parent / "calls/heard.html")
    loaded = page.evaluate("[...document.scripts].map(each => each.src).concat(document.styleSheets[0].href)")
    assert {name.rpartition("/")[0] for name in loaded if name} == {(listed.parent / "assets").as_uri()}
    expect(page.get_by_text("This page needs the folder assets of its report.")).to_be_hidden()
    sole = tmp_path / "heard.html"
    sole.write_bytes((listed.parent / "calls/heard.html").read_bytes())
    alone = chromium.new_page()
    alone.goto(sole.as_uri())
    expect(alone.get_by_text("This page needs the folder assets of its report.")).to_be_visible()
    alone.close()


def test_the_policy_of_a_folder_runs_no_script_inside_a_page(listed: Path, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto((listed.parent / "calls/heard.html").as_uri())
    page.evaluate(
        """() => {
          window.blocked = [];
          document.addEventListener('securitypolicyviolation', event => blocked.push(event.effectiveDirective));
          const script = document.createElement('script');
          script.textContent = 'window.ran = 1';
          document.body.append(script);
          const far = document.createElement('script');
          far.src = 'https://example.com/x.js';
          document.body.append(far);
        }"""
    )
    until(page, lambda: page.evaluate("window.blocked.length") >= 2)
    assert set(page.evaluate("window.blocked")) == {"script-src-elem"}
    assert page.evaluate("window.ran") is None
    page.close()


def test_thousands_of_calls_are_a_small_page_that_filters_at_once(tmp_path: Path, browse: Open) -> None:
    calls = [
        ListedCall(
            conversation=f"00000000-0000-4000-8000-{n:012}",
            facts=CallFacts(
                start=STARTED + n * 60_000, customers=[f"Customer {n}"], agents=[f"Agent {n % 50}"], queues=["Q"]
            ),
            seconds=n % 900,
            turns=n % 60,
        )
        for n in range(5000)
    ]
    path = tmp_path / "index.html"
    write_assets(tmp_path / "assets")
    write_index(calls, page_template("folder/index"), path)
    assert path.stat().st_size < 1_200_000
    page = browse(path)
    assert page.locator("tbody tr").count() == 100
    page.get_by_label("Agent").select_option("Agent 7")
    expect(page.locator("#count")).to_have_text("100 of 5,000 calls")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#count")).to_have_text("5,000 calls")
    page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    deadline = time.monotonic() + 20
    while page.locator("tbody tr").count() < 200 and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert page.locator("tbody tr").count() >= 200
