"""Sessions from sign-in to their end, and acts that somebody else's page or link tries to start."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.browserless import Browserless, faults, open_program
from tests.support.postgres import START
from tests.support.world import PASSWORD
from tocsin.accounts import actions as accounts
from tocsin.accounts.actions.sessions import session_id
from tocsin.accounts.model import SYSTEM, NewUser, User
from tocsin.app import Program
from tocsin.core.clock import ManualClock
from tocsin.web.all_pages import PAGES
from tocsin.web.visit import csrf_token_for

ANN, BEA = "ann@example.com", "bea@example.com"
NEW_PASSWORD = "  nine brown cows jump "
POSTS = sorted({page.path for page in PAGES if page.method == "POST"})
GETS = sorted({page.path for page in PAGES if page.method == "GET"})
EVERYTHING = """
select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_xact_user_tables
"""


class House:
    """A program with two people: ann, the owner, and bea, a responder."""

    def __init__(self, program: Program, clock: ManualClock, ann: User, bea: User) -> None:
        self.program = program
        self.clock = clock
        self.ann = ann
        self.bea = bea

    def browser(self, client: str = "192.0.2.7", **more: Any) -> Browserless:
        base_url = self.program.settings.base_url
        return Browserless(self.program.asgi, client=client, base_url=base_url, **more)

    async def sql(self, statement: Any) -> Any:
        async with self.program.database.transaction() as tx:
            return await tx.value(statement)


@pytest.fixture(params=["http://tocsin.test"])
async def house(fresh_dsn: str, tmp_path: Path, request: Any) -> AsyncIterator[House]:
    async with open_program(fresh_dsn, tmp_path, start=START, public_url=request.param) as made:
        program, clock = made
        async with program.database.transaction() as tx:
            ann = await accounts.first_run(
                tx, NewUser(name="ann", email=ANN, password=PASSWORD), START
            )
            new = NewUser(name="bea", email=BEA, password=PASSWORD)
            bea = await accounts.create_user(tx, SYSTEM, new, START)
        yield House(program, clock, ann, bea)


async def is_in(browser: Browserless) -> bool:
    answer = await browser.get("/app/settings")
    assert answer.status_code in (200, 303)
    return answer.status_code == 200


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    """The attributes of the one session cookie that an answer sets, in lower case."""
    set_cookies = [
        value for value in answer.headers.get_list("set-cookie") if "tocsin_toast" not in value
    ]
    assert len(set_cookies) == 1, set_cookies
    parts = (part.strip().partition("=") for part in set_cookies[0].split(";"))
    return {name if "tocsin" in name else name.lower(): value for name, _, value in parts}


# The cookie


async def test_the_cookie_over_http(house: House) -> None:
    async with house.browser() as browser:
        cookie = cookie_of(await browser.sign_in(ANN))
    assert len(cookie.pop("tocsin_session")) == 43
    assert cookie == {"httponly": "", "max-age": "2592000", "path": "/", "samesite": "lax"}


@pytest.mark.parametrize("house", ["https://tocsin.test"], indirect=True)
async def test_the_cookie_over_https_belongs_to_this_host_alone(house: House) -> None:
    async with house.browser() as browser:
        cookie = cookie_of(await browser.sign_in(ANN))
        assert len(cookie.pop("__Host-tocsin")) == 43
        assert cookie.pop("secure") == ""
        assert "domain" not in cookie
        assert cookie == {"httponly": "", "max-age": "2592000", "path": "/", "samesite": "lax"}
        assert await is_in(browser)
        answer = await browser.post("/app/settings/instance", {"public_name": "drill"})
        toast = answer.headers["set-cookie"].lower()
        assert "tocsin_toast" in toast
        assert "secure" in toast
        assert "httponly" in toast
        # The name used over http opens nothing here: a sibling host could have set it.
        token = browser.session
        assert token is not None
        browser.http.cookies.clear()
        browser.http.cookies.set("tocsin_session", token, domain="tocsin.test")
        assert not await is_in(browser)


# The life of a session


async def test_signing_in_makes_the_token_known_before_worthless(house: House) -> None:
    async with house.browser() as browser, house.browser() as thief:
        await browser.sign_in(ANN)
        first = browser.session
        assert first is not None
        thief.use_session(first)
        assert await is_in(thief)
        await browser.sign_in(ANN)
        assert browser.session != first
        assert await is_in(browser)
        assert not await is_in(thief)


async def test_a_token_brought_along_is_never_adopted(house: House) -> None:
    planted = "A" * 43
    async with house.browser() as victim, house.browser() as attacker:
        victim.use_session(planted)
        await victim.sign_in(ANN)
        assert victim.session != planted
        attacker.use_session(planted)
        assert not await is_in(attacker)


async def test_a_session_unused_for_twelve_hours_is_over(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in(ANN)
        house.clock.advance(timedelta(hours=11, minutes=58))
        assert await is_in(browser)
        house.clock.advance(timedelta(hours=12))
        assert not await is_in(browser)


async def test_a_session_in_constant_use_is_over_after_thirty_days(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in(ANN)
        for _ in range(65):
            house.clock.advance(timedelta(hours=11))
            assert await is_in(browser)
        house.clock.advance(timedelta(hours=4, minutes=59))
        assert await is_in(browser)
        house.clock.advance(timedelta(minutes=1))
        assert not await is_in(browser)


async def test_signing_out_ends_the_session_and_not_only_the_cookie(house: House) -> None:
    async with house.browser() as browser, house.browser() as copy:
        await browser.sign_in(ANN)
        assert browser.session is not None
        copy.use_session(browser.session)
        answer = await browser.post("/app/sign-out")
        assert cookie_of(answer)["max-age"] == "0"
        assert not await is_in(browser)
        assert not await is_in(copy)


async def test_an_administrator_ends_somebodys_sessions(house: House) -> None:
    async with house.browser() as ann, house.browser() as bea:
        await ann.sign_in(ANN)
        await bea.sign_in(BEA)
        await ann.post(f"/app/people/{house.bea.id}/sessions/end")
        assert not await is_in(bea)
        assert await is_in(ann)


async def test_one_of_ones_own_sessions_is_ended_by_its_form(house: House) -> None:
    path = f"/app/people/{house.ann.id}"
    async with house.browser() as here, house.browser() as there:
        await here.sign_in(ANN)
        await there.sign_in(ANN)
        assert there.session is not None
        session = session_id(there.session)
        answer = await here.post(f"{path}/sessions/end", {"session": session})
        assert answer.status_code == 303
        assert await is_in(here)
        assert not await is_in(there)


async def test_a_new_password_ends_every_session_and_is_taken_as_typed(house: House) -> None:
    async with house.browser() as here, house.browser() as there:
        await here.sign_in(BEA)
        await there.sign_in(BEA)
        path = f"/app/people/{house.bea.id}/password"
        wrong = {"current_password": "not this one", "new_password": NEW_PASSWORD}
        assert (await here.post(path, wrong)).status_code == 422
        assert await is_in(there)
        right = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert (await here.post(path, right)).status_code == 303
        assert not await is_in(there)
        assert not await is_in(here)
        await here.sign_in(BEA, NEW_PASSWORD.strip(), status=422)
        await here.sign_in(BEA, NEW_PASSWORD)
        right = {"current_password": NEW_PASSWORD, "new_password": PASSWORD}
        assert (await here.post(path, right)).status_code == 303


async def test_somebody_deactivated_is_out_at_once_and_cannot_come_back(house: House) -> None:
    async with house.browser() as ann, house.browser() as bea:
        await ann.sign_in(ANN)
        await bea.sign_in(BEA)
        answer = await ann.post(f"/app/people/{house.bea.id}/deactivate")
        assert answer.status_code == 303, answer.text
        assert not await is_in(bea)
        await bea.sign_in(BEA, status=422)


async def test_a_role_taken_away_counts_at_once(house: House) -> None:
    async with house.browser() as bea:
        await bea.sign_in(BEA)
        assert (await bea.get("/app/incidents")).status_code == 200
        await house.sql(
            "update users set role = 'restricted_access' where name = 'bea' returning 1"
        )
        assert (await bea.get("/app/incidents")).status_code == 403


MADE_UP = ["", "x", "A" * 43, "A" * 5000, "ä" * 43, "' or 1=1 --", "\x00" * 43, "A" * 42 + "\n"]


async def test_a_made_up_token_opens_nothing(house: House) -> None:
    async with house.browser() as browser:
        for token in MADE_UP:
            headers = {b"cookie": b"tocsin_session=" + token.encode()}
            answer = await browser.http.get("/app/settings", headers=headers)
            assert answer.status_code == 303, token


# Guessing


async def test_guessing_a_password_is_slowed_and_the_right_one_waits_too(house: House) -> None:
    async with house.browser() as browser:
        for _ in range(5):
            await browser.sign_in(ANN, "wrong wrong wrong", status=422)
        locked = await browser.sign_in(ANN, status=429)
        assert locked.headers["retry-after"] == "15"
        assert faults(locked) == []
        house.clock.advance(timedelta(seconds=15))
        await browser.sign_in(ANN)


async def test_one_address_cannot_try_one_password_on_everybody(house: House) -> None:
    async with house.browser() as browser:
        for number in range(30):
            await browser.sign_in(f"nobody{number}@example.com", "spring 2026!", status=422)
        await browser.sign_in(ANN, status=429)
        # Whoever sits elsewhere is not hindered.
        async with house.browser(client="198.51.100.9") as elsewhere:
            await elsewhere.sign_in(ANN)


async def test_a_forged_forwarding_header_is_no_other_address(house: House) -> None:
    async with house.browser() as browser:
        for number in range(30):
            browser.http.headers["x-forwarded-for"] = f"203.0.113.{number}"
            await browser.sign_in(f"nobody{number}@example.com", "spring 2026!", status=422)
        await browser.sign_in(ANN, status=429)


async def test_nobody_learns_who_has_an_account(house: House) -> None:
    answers = []
    async with house.browser() as browser:
        for email in (ANN, "not-ann@example.com"):
            answer = await browser.sign_in(email, "wrong wrong wrong", status=422)
            answers.append(answer.text.replace(email, "E"))
    assert answers[0] == answers[1]


async def test_signed_in_already_is_not_hindered_by_a_lock(house: House) -> None:
    async with house.browser() as browser, house.browser() as other:
        await browser.sign_in(ANN)
        for _ in range(5):
            await other.sign_in(ANN, "wrong wrong wrong", status=422)
        await other.sign_in(ANN, status=429)
        assert await is_in(browser)


# Forgery

ELSEWHERE = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "http://tocsin.test"},
    {"origin": "https://evil.example"},
    {"origin": "http://tocsin.test.evil.example"},
    {"origin": "http://evil.tocsin.test"},
    {"origin": "http://tocsin.test:81"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": ""},
]


async def untouched(house: House) -> str:
    """A digest of what an act could change."""
    tables = ("users", "teams", "services", "instance", "audit", "sessions", "api_keys")
    parts = [f"(select coalesce(string_agg(t::text, '|'), '') from {name} t)" for name in tables]
    return str(await house.sql(f"select md5({' || '.join(parts)})".encode()))


async def test_no_form_is_taken_without_the_sessions_own_token(house: House) -> None:
    async with house.browser() as ann, house.browser() as bea:
        await ann.sign_in(ANN)
        await bea.sign_in(BEA)
        before = await untouched(house)
        for path in POSTS:
            for token in (
                None,
                "",
                "0" * 40,
                bea.token,
                ann.token[:-1],
                ann.token.upper(),
                "ä" * 40,
            ):
                data = {} if token is None else {"csrf_token": token}
                answer = await ann.post(path, data, csrf=False)
                assert answer.status_code == 403, (path, token)
                assert "form is too old" in answer.text
        header = await ann.post(
            "/app/teams", {"name": "x"}, csrf=False, headers={"x-csrf-token": "ä".encode()}
        )
        assert header.status_code == 403
        assert await untouched(house) == before


async def test_nothing_that_comes_from_another_site_is_done(house: House) -> None:
    async with house.browser() as ann, house.browser() as stranger:
        await ann.sign_in(ANN)
        before = await untouched(house)
        for path in POSTS:
            for headers in ELSEWHERE:
                answer = await ann.post(path, {"email": ANN, "password": PASSWORD}, headers=headers)
                assert answer.status_code == 403, (path, headers)
                assert "another site" in answer.text
        for headers in ELSEWHERE:
            # Signing somebody in as somebody else is an attack too.
            data = {"email": ANN, "password": PASSWORD}
            answer = await stranger.post("/app/sign-in", data, headers=headers)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
        assert await untouched(house) == before
        own = {"sec-fetch-site": "same-origin", "origin": "http://tocsin.test"}
        assert (await ann.post("/app/teams", {"name": "x"}, headers=own)).status_code == 303


async def test_the_token_of_a_form_does_not_tell_the_session(house: House) -> None:
    async with house.browser() as ann:
        await ann.sign_in(ANN)
        assert ann.session is not None
        assert ann.token == csrf_token_for(ann.session)
        assert ann.session not in (await ann.get("/app/settings")).text
        assert ann.token[:20] not in ann.session


async def test_looking_and_asking_for_headers_never_act(house: House) -> None:
    async with house.browser() as ann:
        await ann.sign_in(ANN)
        before = await untouched(house)
        for path in POSTS:
            for method in ("GET", "HEAD"):
                answer = await ann.http.request(method, path.replace("{", "").replace("}", ""))
                if path not in GETS:
                    assert answer.status_code in (404, 405), (method, path)
        for path in GETS:
            if path != "/app/live":
                answer = await ann.http.head(path)
                assert answer.content == b""
        # A form sent by GET is a look.
        await ann.get("/app/teams", params={"csrf_token": ann.token, "name": "drill"})
        override = {"x-http-method-override": "POST", "_method": "POST"}
        await ann.get("/app/settings/instance", headers=override)
        assert await untouched(house) == before


# Where an answer leads

HOSTILE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "/app//evil.example",
    "/app/..//evil.example",
    "/app@evil.example",
    "/apple",
    "/app/\r\nSet-Cookie: a=b",
    "/app/\nx",
    "/app/\t/x",
    "/app/x\x00",
    "https:///app/x",
    "/app/\u2028x",
    "///app/incidents",
]


async def test_signing_in_leads_only_to_our_pages(house: House) -> None:
    for target in HOSTILE:
        async with house.browser() as browser:
            page = await browser.get("/app/sign-in", params={"next": target})
            assert page.status_code == 200
            answer = await browser.sign_in(BEA, next=target)
            assert answer.headers["location"] == "/app/incidents", target
            assert "a=b" not in str(answer.headers)
            again = await browser.get("/app/sign-in", params={"next": target})
            assert again.headers["location"] == "/app/incidents", target
            back = await browser.post("/app/incidents/bulk", {"back": target})
            assert back.headers["location"] == "/app/incidents", target


async def test_signing_in_goes_on_where_it_was_interrupted(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.get("/app/people?q=a%20b")
        form = await browser.get(answer.headers["location"])
        done = await browser.submit(form, "/app/sign-in", email=BEA, password=PASSWORD)
        assert done.headers["location"] == "/app/people?q=a%20b"


STRANGE = [
    "/app/incidents/number/1%0d%0aSet-Cookie:%20a=b",
    "/app/incidents?cursor=%0d%0aSet-Cookie:%20a=b",
    "/app/sign-in?next=/app/x%0d%0aSet-Cookie:%20a=b",
    "/app/x%0d%0aSet-Cookie:%20a=b",
    "/app/incidents/%00",
    "/app/people/%00",
    "/app/services/%ff%fe",
    "/app/teams/%F0%9F%98%80",
    "/app/people?q=%00",
    "/app/people?cursor=%00",
    "/app/incidents?q=%00",
    "/app/incidents?service=%00&team=%00",
    "/app/deliveries?person=%00&incident=999999999999999",
    "/app/audit?id=%00&actor=%00",
    "/app/audit?since=99999-99-99",
    "/app/audit?until=9999-12-31T23:59",
    "/app/schedules?cursor=eyJ",
    "/app/incidents?cursor=" + "A" * 400,
    "/app/escalation-policies?page=99999999999999999999",
    "/app/escalation-policies?page=%C2%B2",
]


async def test_a_strange_address_is_answered_calmly(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in(ANN)
        for path in STRANGE:
            answer = await browser.get(path)
            assert answer.status_code < 500, (path, answer.text[:300])
            assert "a=b" not in str(answer.headers.get("set-cookie", ""))
            assert "\n" not in answer.headers.get("location", "")
            assert faults(answer) == [], path


async def test_an_act_without_a_session_leads_to_our_sign_in_whatever_it_came_from(
    house: House,
) -> None:
    async with house.browser() as browser:
        for referer in (*(address for address in HOSTILE if address.isascii()), "http://[", ""):
            if not referer.isprintable():
                continue
            answer = await browser.post("/app/teams", {"name": "x"}, headers={"referer": referer})
            assert answer.status_code == 401, referer
            assert "evil.example" not in answer.text
            assert faults(answer) == []


async def test_hostile_forms_are_refused_calmly(house: House) -> None:
    boundary = {"content-type": "multipart/form-data; boundary=b"}
    text = {"content-type": "application/x-www-form-urlencoded"}
    file = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nabc\r\n--b--\r\n'
    many = "&".join(f"f{number}=x" for number in range(2000)).encode()
    bodies: list[tuple[dict[str, str], bytes, tuple[int, ...]]] = [
        (boundary, file, (400, 413, 422)),
        (boundary, b"--b\r\nnonsense", (400, 422)),
        ({"content-type": "multipart/form-data"}, b"x", (400, 422)),
        (text, many, (400, 413)),
        (text, b"email=" + b"a" * 200_000, (400, 413)),
        (text, b"a=" + b"%" * 60_000 + b"&b=" + b"x" * 65_000, (400, 413, 422)),
        (text, b"&".join(b"f%d=" % n + b"a" * 60_000 for n in range(40)), (400, 413)),
        (text, b"email=%00&password=%00", (422,)),
        (text, b"email=%ff%fe&password=\xff", (422,)),
        ({"content-type": "application/json"}, b'{"email": 1}', (422,)),
        ({}, b"", (422,)),
    ]
    async with house.browser() as browser:
        for headers, body, statuses in bodies:
            answer = await browser.http.post("/app/sign-in", content=body, headers=headers)
            assert answer.status_code in statuses, (headers, body[:60], answer.status_code)
            assert faults(answer) == []
