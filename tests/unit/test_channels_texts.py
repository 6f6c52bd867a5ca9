"""The words people read at night: what they say, in which order, and within which bounds."""

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.messages import NOW, line, page, test_message
from tocsin.channels import answers, email, ntfy, slack, texts, webhook
from tocsin.channels.email import SmtpSettings
from tocsin.channels.model import Dead, Retry, Sent
from tocsin.core.http import Answer

SMTP = SmtpSettings(
    host="mail.example",
    port=25,
    user=None,
    password=None,
    tls="none",
    sender="Tocsin <pages@example.com>",
    public_host="tocsin.example",
)
# Everything an alert may carry, the hostile included.
WORDS = st.text(max_size=600)


def test_the_first_line_says_how_bad_where_and_what() -> None:
    assert texts.subject(page()) == "[high] checkout: p99 over 2 s (3 alerts)"
    ranked = page(incidents=(line(priority="P1", alert_count=1),))
    assert texts.subject(ranked) == "[P1] checkout: p99 over 2 s"


def test_a_page_tells_its_age_and_why_it_came() -> None:
    assert texts.paragraphs(page()) == [
        "#42 [high] checkout: p99 over 2 s (3 alerts)\ntriggered, 9 min old",
        "You are on call, level 1 of Payments.",
    ]


def test_a_page_says_where_people_talk() -> None:
    bridge = line(
        priority="P2",
        conference_number="+1 415 555 1212,,,,1234#",
        conference_url="https://meet.example.com/room",
    )
    first = texts.paragraphs(page(incidents=(bridge,)))[0]
    assert first.startswith("#42 [P2] checkout")
    said = "Talk: +1 415 555 1212,,,,1234# or https://meet.example.com/room"
    assert first.splitlines()[-1] == said
    assert "Talk" not in "".join(texts.paragraphs(page()))


def test_a_test_says_that_it_is_one() -> None:
    message = test_message()
    assert texts.subject(message) == "Tocsin test: this contact method works"
    assert "Nothing is broken." in texts.paragraphs(message)[0]


def test_a_repeat_and_a_drill_say_so_first() -> None:
    message = page(attempt=2, is_drill=True)
    assert texts.subject(message).startswith("[DRILL] (repeat 2) [high]")
    assert "drill" in texts.paragraphs(message)[0]
    assert "Sent again, attempt 2" in texts.paragraphs(message)[1]


@pytest.mark.parametrize(
    ("kind", "services", "more", "expected"),
    [
        ("bundle", ["a", "b"], 0, "2 incidents: a, b"),
        ("bundle", ["a", "a", "b"], 7, "10 incidents: a, b"),
        ("bundle", ["a", "b", "c", "d"], 0, "4 incidents: a, b, c and others"),
        ("summary", ["a", "b"], 0, "2 incidents while you could not be reached: a, b"),
        ("summary", ["a"], 0, "1 incident while you could not be reached: a"),
    ],
)
def test_many_incidents_are_counted(
    kind: str, services: list[str], more: int, expected: str
) -> None:
    lines = tuple(line(service=service) for service in services)
    assert texts.subject(page(kind=kind, incidents=lines, more=more)) == expected


def test_a_long_list_is_cut_and_says_what_is_left_out() -> None:
    message = page(kind="bundle", incidents=tuple(line(number=n) for n in range(50)), more=3)
    parts = texts.paragraphs(message)
    assert sum(part.startswith("#") for part in parts) == 20
    assert "and 33 more" in parts


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (172800, "2 d")],
)
def test_age(seconds: int, expected: str) -> None:
    assert texts.age(NOW - timedelta(seconds=seconds), NOW) == expected


@given(WORDS, WORDS, WORDS)
def test_whatever_machines_write_stays_in_bounds(title: str, service: str, reason: str) -> None:
    message = page(incidents=(line(title=title, service=service),), reason=reason)
    subject = texts.subject(message)
    assert len(subject) <= texts.MOST_SUBJECT
    assert subject.isprintable()
    assert all(len(part) < 1200 for part in texts.paragraphs(message))
    publication = ntfy.publication(message, "t")
    assert len(publication["message"].encode()) <= 4096
    posted = slack.payload(message)
    assert all(len(block["text"]["text"]) <= 3000 for block in posted["blocks"])
    mail = email.compose(message, "ann@example.com", SMTP)
    parsed = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert parsed["To"] == "ann@example.com"
    assert parsed["Bcc"] is None
    assert parsed["Subject"] == subject


def test_a_bundle_of_the_longest_titles_stays_in_bounds() -> None:
    wide = tuple(line(title="ü" * 1000, service="ü" * 200) for _ in range(50))
    message = page(kind="bundle", incidents=wide, reason="x" * 5000)
    assert len(ntfy.publication(message, "t")["message"].encode()) <= 4096
    assert all(len(b["text"]["text"]) <= 3000 for b in slack.payload(message)["blocks"])


def test_slack_controls_are_escaped_and_never_cut_apart() -> None:
    hostile = page(incidents=(line(title="<!channel> & <https://evil|Acknowledge>"),))
    text = slack.payload(hostile)["blocks"][0]["text"]["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://evil|Acknowledge&gt;" in text
    full = page(kind="bundle", incidents=tuple(line(title="&" * 300) for _ in range(20)))
    body = slack.payload(full)["blocks"][1]["text"]["text"]
    assert body.replace("&amp;", "").count("&") == 0


def test_no_title_puts_a_header_into_a_mail() -> None:
    hostile = line(title="x\r\nBcc: all@example.com\r\n\r\nbody", service="a\nb")
    mail = email.compose(page(incidents=(hostile,)), "ann@example.com", SMTP)
    parsed = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert parsed["Bcc"] is None
    assert "Bcc: all@example.com" in parsed["Subject"]


def test_html_in_a_title_stays_text() -> None:
    hostile = line(title='<script>alert(1)</script><img src=x onerror="y">')
    mail = email.compose(page(incidents=(hostile,)), "ann@example.com", SMTP)
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert "<img" not in html.get_content()


def test_direction_marks_cannot_turn_a_line_round() -> None:
    assert "\u202e" not in texts.subject(page(incidents=(line(title="a\u202eb"),)))


@pytest.mark.parametrize(
    ("status", "headers", "kind", "after"),
    [
        (200, {}, Sent, None),
        (202, {}, Sent, None),
        (204, {}, Sent, None),
        (301, {"location": "https://elsewhere.example/"}, Dead, None),
        (302, {}, Dead, None),
        (304, {}, Dead, None),
        (400, {}, Dead, None),
        (401, {}, Dead, None),
        (403, {}, Dead, None),
        (404, {}, Dead, None),
        (405, {}, Dead, None),
        (410, {}, Dead, None),
        (413, {}, Dead, None),
        (422, {}, Dead, None),
        (408, {}, Retry, None),
        (425, {}, Retry, None),
        (429, {}, Retry, None),
        (429, {"retry-after": "17"}, Retry, 17.0),
        (429, {"retry-after": "0"}, Retry, 0.0),
        (429, {"retry-after": "999999999999"}, Retry, 900.0),
        (429, {"retry-after": "-5"}, Retry, None),
        (429, {"retry-after": "soon"}, Retry, None),
        (429, {"retry-after": "Sun, 29 Mar 2026 02:58:30 GMT"}, Retry, 30.0),
        (429, {"retry-after": "Sun, 29 Mar 2026 02:00:00 GMT"}, Retry, 0.0),
        (429, {"retry-after": "Sun, 99 Mar 99999 02:00:00 GMT"}, Retry, None),
        (500, {}, Retry, None),
        (502, {}, Retry, None),
        (503, {"retry-after": "3"}, Retry, 3.0),
        (599, {}, Retry, None),
        (100, {}, Dead, None),
    ],
)
def test_what_a_status_means(
    status: int, headers: dict[str, str], kind: type, after: float | None
) -> None:
    receipt = answers.receipt_of(Answer(status=status, headers=headers, body=b""), NOW)
    assert isinstance(receipt, kind)
    if isinstance(receipt, Retry):
        assert receipt.after_seconds == after


def test_a_receipt_quotes_the_provider_on_one_line() -> None:
    answer = Answer(status=500, headers={}, body=b"line one\r\n\x1b[31mline two\xff")
    receipt = answers.receipt_of(answer, NOW)
    assert receipt.detail == "HTTP 500: line one \ufffd[31mline two\ufffd"


@pytest.mark.parametrize(
    "address",
    ["ann@example.com", "a.b+c@sub.example.co", "o'brien@example.ie", "root@localhost"],
)
def test_mail_addresses_that_are_fine(address: str) -> None:
    assert email.normal(address) == address


def test_an_international_domain_is_written_for_mail_servers() -> None:
    assert email.normal("ann@bücher.example") == "ann@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@example",
        "ann@@example.com",
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@example.com\r\nBcc: bob@example.com",
        "a b@example.com",
        '"a b"@example.com',
        "ann@exa mple.com",
        "ann@-x-.example.com..",
        "ann.@example.com",
        "ann@[127.0.0.1]",
        "x" * 65 + "@example.com",
        "ann@" + "x" * 250 + ".com",
        "änn@example.com",
    ],
)
def test_mail_addresses_that_are_not(address: str) -> None:
    assert email.normal(address) is None


def test_a_signature_can_be_checked_by_hand() -> None:
    """The value is what `printf '1774753080.{}' | openssl dgst -sha256 -hmac secret` prints."""
    assert webhook.signature("secret", 1774753080, b"{}") == (
        "t=1774753080,v1=ce2907eefbb44775f1309736cdd712ccfaf0f2a3c02174a7bb0bb4bafe9ff114"
    )
