"""What comes back and what follows from it: over SMTP, into a real store, until the next digest."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest import app, inbound
from digest.errors import UsageError
from digest.inbound.addresses import Address, Box
from digest.inbound.taking import take
from digest.models import DeliveryState, Message
from digest.sample import upstream
from digest.subscription import Desk, rights
from digest.subscription import letters as letters_of
from digest.subscription.desk import Link
from tests.incoming_mail import bounce, feedback, letter
from tests.program import Program, at, entries, mail, part
from tests.smtp_servers import Sink, sink

DOMAIN = "b.digest.example"
MONDAY = at("2026-02-02T07:00Z")
DAY = timedelta(days=1)
DEAD = "550 5.1.1 <ada@example.org>: no such user"


@dataclass
class House:
    """The program with its receiver running, and a clock that the test moves."""

    program: Program
    relay: Sink
    now: datetime = MONDAY
    port: int = 0
    desk: Desk = field(init=False)

    def clock(self) -> datetime:
        return self.now

    def send(self) -> dict[DeliveryState, int]:
        """A pass at this moment: how deliveries ended."""
        return dict(app.run_once(self.program.settings, self.clock).delivered.states)

    def bring(self, recipient: str, data: bytes, sender: str = "") -> None:
        """Hand a mail over as the mail server in front does."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            client.sendmail(sender, [recipient], data)

    @property
    def returns_to(self) -> str:
        """The envelope sender of Ada's latest digest."""
        return [m.sender for m in self.relay.messages if m.recipients == ("ada@example.org",)][-1]

    def kept(self) -> list[bytes]:
        """What waits for the operator."""
        folder = self.program.home / "var" / "inbound"
        return [file.read_bytes() for file in (folder / "new").iterdir()] if folder.exists() else []

    def state(self) -> str:
        person = self.desk.parts.store.subscribers.get("ada@example.org")
        assert person
        suppressed = self.desk.parts.store.suppressions.any([person.token])
        return "suppressed" if suppressed else person.state.value


@contextmanager
def living(home: Path, **given: object) -> Iterator[House]:
    with upstream.serve(MONDAY.date()) as base, sink() as relay:
        program = Program(home)
        program.roster(entries("ada@example.org"))
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        program.set(mail_domain=DOMAIN, inbound_port=0, **given)
        house = House(program, relay)
        with app.desk(program.settings, house.clock) as desk, inbound.receiving(desk) as port:
            house.desk, house.port = desk, port
            yield house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with living(tmp_path) as made:
        yield made


@pytest.fixture
def sent(house: House) -> House:
    """After Monday's digest went out."""
    assert house.send() == {DeliveryState.SENT: 1}
    return house


# -- what a digest says


def test_a_digest_carries_addresses_of_its_reader(sent: House) -> None:
    message = mail(sent.relay.messages[0])
    assert sent.returns_to.startswith("b+")
    assert sent.returns_to.endswith(f"@{DOMAIN}")
    assert f"<mailto:u+{sent.returns_to.removeprefix('b+').partition('-')[0]}-" in message["List-Unsubscribe"]
    assert "ada=" not in sent.returns_to, "as a bounce address often has it"


# -- bounces


def test_a_dead_mailbox_is_believed_the_second_time_a_day_later(sent: House) -> None:
    sent.bring(sent.returns_to, bounce("5.1.1", DEAD))
    sent.bring(sent.returns_to, bounce("5.1.1", DEAD))
    assert sent.state() == "active", "a broken server says so for an hour"
    sent.now += DAY
    assert sent.send() == {DeliveryState.SENT: 1}
    sent.bring(sent.returns_to, bounce("5.1.1", DEAD))
    assert sent.state() == "suppressed"
    sent.now += DAY
    assert sent.send() == {}
    assert len(sent.relay.messages) == 2


def test_what_is_planned_already_is_not_sent_to_the_suppressed(house: House) -> None:
    """Suppressed between planning and sending; the delivery says why it went nowhere."""
    house.relay.answers["ada@example.org"] = "451 4.7.1 greylisted"
    assert house.send() == {DeliveryState.DEFERRED: 1}
    token = next(iter(house.desk.parts.store.subscribers.everyone())).token
    house.bring(house.desk.links.bounce_address(token, DOMAIN), feedback())
    house.now += timedelta(hours=1)
    house.relay.answers.clear()
    assert house.send() == {DeliveryState.SUPPRESSED: 1}
    assert house.relay.messages == []


@pytest.mark.parametrize(
    "reason",
    [
        "550 5.7.1 Service unavailable; client host blocked using Spamhaus",
        "550 5.7.26 This mail has been blocked because the sender is unauthenticated",
        "550 5.7.515 Access denied, sending domain does not meet the required authentication level",
        "554 Message rejected: your address is on a block list",
    ],
)
def test_nobody_is_suppressed_for_what_we_are_accused_of(sent: House, reason: str) -> None:
    status = reason.split()[1] if "." in reason.split()[1] else "5.0.0"
    for _ in range(40):
        sent.bring(sent.returns_to, bounce(status, reason))
        sent.now += DAY
    assert sent.state() == "active"
    assert sent.desk.parts.store.bounces.counts(MONDAY) == {"ours": 40}, "the operator sees it"


def test_a_full_mailbox_is_given_five_days(sent: House) -> None:
    for expected in ("active", "active", "active", "active", "suppressed"):
        sent.bring(sent.returns_to, bounce("5.2.2", "552 5.2.2 mailbox full"))
        assert sent.state() == expected
        sent.now += DAY


def test_a_dead_address_behind_the_readers_own_says_less(sent: House) -> None:
    """Ada's address forwards to several, and one of them is gone."""
    for expected in ("active", "active", "active", "active", "suppressed"):
        sent.bring(sent.returns_to, bounce("5.1.1", "550 5.1.1 gone", recipient="old@elsewhere.example"))
        assert sent.state() == expected
        sent.now += DAY


def test_a_refusal_at_rcpt_counts_like_a_bounce(house: House) -> None:
    house.relay.answers["ada@example.org"] = DEAD
    assert house.send() == {DeliveryState.FAILED: 1}
    assert house.state() == "active"
    house.now += DAY
    assert house.send() == {DeliveryState.FAILED: 1}
    assert house.state() == "suppressed"
    house.now += DAY
    assert house.send() == {}


@pytest.mark.parametrize(
    "data",
    [
        bounce("4.4.1", "connection timed out", action="delayed"),
        bounce("2.0.0", "250 ok", action="delivered"),
        letter("I am away until Monday.", "Out of office", Auto_Submitted="auto-replied"),
        letter("I am away until Monday.", "Automatic reply: papers"),
    ],
)
def test_what_means_nothing_changes_nothing(sent: House, data: bytes) -> None:
    for _ in range(7):
        sent.bring(sent.returns_to, data)
        sent.now += DAY
    assert sent.state() == "active"
    assert sent.kept() == []


def test_what_nobody_understands_is_kept_with_its_envelope(sent: House) -> None:
    sent.bring(sent.returns_to, letter("Could you add bioRxiv?", "A question"), "ada@example.org")
    [kept] = sent.kept()
    assert b"Could you add bioRxiv?" in kept
    assert b"Return-Path: <ada@example.org>" in kept
    assert f"Delivered-To: {sent.returns_to}".encode() in kept
    assert sent.state() == "active"


# -- complaints


def test_a_complaint_ends_it_at_once(sent: House) -> None:
    sent.bring(sent.returns_to, feedback())
    assert sent.state() == "suppressed"


def test_a_complaint_to_abuse_is_known_by_the_mail_it_shows(sent: House) -> None:
    headers = sent.relay.messages[0].data.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
    sent.bring(f"abuse@{DOMAIN}", feedback(original=headers))
    assert sent.state() == "suppressed"
    assert sent.kept() == []


def test_a_complaint_about_nobody_we_know_is_kept(sent: House) -> None:
    """Anybody can write a report that names an address; a signature cannot be written by anybody."""
    person = sent.desk.parts.store.subscribers.get("ada@example.org")
    assert person
    forged = sent.desk.links.bounce_address(person.token, DOMAIN)[:-20] + f"aaaa@{DOMAIN}"
    sent.bring(f"Abuse@{DOMAIN}", feedback(original=f"Return-Path: <{forged}>\nTo: ada@example.org"))
    assert sent.state() == "active"
    assert len(sent.kept()) == 1


def test_it_was_no_spam_after_all(sent: House) -> None:
    sent.bring(sent.returns_to, feedback("not-spam"))
    assert sent.state() == "active"


def test_a_letter_to_the_postmaster_is_kept(sent: House) -> None:
    sent.bring(f"postmaster@{DOMAIN}", letter("Your server is odd."), "someone@elsewhere.example")
    assert len(sent.kept()) == 1


# -- suppression


def test_a_suppression_outlives_the_person(sent: House) -> None:
    """Deleted, and then named by the roster again: still nothing is sent."""
    sent.bring(sent.returns_to, feedback())
    person = sent.desk.parts.store.subscribers.get("ada@example.org")
    assert person
    rights.erase(sent.desk, person, never_again=False)
    assert sent.desk.parts.store.subscribers.get("ada@example.org") is None
    for _ in range(3):
        sent.now += DAY
        sent.program.roster(entries("ada@example.org", papers=sent.now.day))
        assert sent.send() == {}


def test_a_complaint_about_somebody_who_is_gone_is_remembered(sent: House) -> None:
    token, address = "", sent.returns_to
    person = sent.desk.parts.store.subscribers.get("ada@example.org")
    assert person
    token = person.token
    sent.desk.parts.store.readers.erase(token)
    sent.bring(address, feedback())
    assert sent.desk.parts.store.suppressions.any([token])


def test_the_roster_cannot_make_the_suppressed_due(sent: House) -> None:
    sent.bring(sent.returns_to, feedback())
    sent.program.roster(entries("ada@example.org", at='"09:00"'))  # a new hour sets a new moment
    sent.now += DAY + timedelta(hours=4)
    assert sent.send() == {}
    person = sent.desk.parts.store.subscribers.get("ada@example.org")
    assert person
    assert person.next_due_at is None


def test_the_operator_may_try_a_dead_address_again(sent: House) -> None:
    for _ in range(2):
        sent.bring(sent.returns_to, bounce("5.1.1", DEAD))
        sent.now += DAY
    assert sent.state() == "suppressed"
    assert app.status(sent.program.settings, sent.clock)["suppressed"] == 1
    app.allow_person(sent.program.settings, "Ada@example.org")
    assert sent.state() == "active"
    person = sent.desk.parts.store.subscribers.get("ada@example.org")
    assert person
    assert person.next_due_at is not None
    assert sent.desk.parts.store.bounces.of(person.id) == [], "the next bounce is the first"
    with pytest.raises(UsageError, match="was not given up"):
        app.allow_person(sent.program.settings, "ada@example.org")


def test_the_operator_may_not_overrule_a_complaint(sent: House) -> None:
    sent.bring(sent.returns_to, feedback())
    with pytest.raises(UsageError, match="was not given up because of bounces"):
        app.allow_person(sent.program.settings, "ada@example.org")
    assert sent.state() == "suppressed"


# -- leaving by mail


def out(house: House) -> str:
    """The mailto of the latest digest, as a mail program reads it."""
    header: str = mail(house.relay.messages[-1])["List-Unsubscribe"]
    return header.partition("<mailto:")[2].partition("?")[0]


@pytest.mark.parametrize(
    "data",
    [
        letter("", "unsubscribe"),
        letter("Please stop.", "whatever"),
        letter("", "", Auto_Submitted="auto-generated", Precedence="bulk"),
    ],
)
def test_a_mail_ends_the_subscription(sent: House, data: bytes) -> None:
    sent.bring(out(sent), data, "ada@example.org")
    sent.bring(out(sent).upper(), data, "ada@example.org")
    assert sent.state() == "unsubscribed"
    sent.now += DAY
    assert sent.send() == {}


def goodbyes(house: House) -> list[EmailMessage]:
    """Lets the letters go that wait, and gives back the goodbyes that ever came to Ada."""
    letters_of.send(house.desk)
    found = [mail(m) for m in house.relay.messages if m.recipients == ("ada@example.org",)]
    return [each for each in found if each["List-Id"] is None]


def test_who_leaves_by_mail_is_answered_once(sent: House) -> None:
    for number in (1, 2):
        sent.bring(out(sent), letter("", "unsubscribe", Message_ID=f"<{number}@mail.example>"), "ada@example.org")
    [goodbye] = goodbyes(sent)
    assert goodbye["Subject"] == "You have left Paper Digest"
    assert goodbye["Auto-Submitted"] == "auto-replied"
    assert goodbye["In-Reply-To"] == goodbye["References"] == "<1@mail.example>"
    assert "No further digest will come." in part(goodbye, "plain")
    assert sent.relay.messages[-1].sender.startswith("b+"), "an answer to it goes where nothing is answered"


@pytest.mark.parametrize(
    "data",
    [
        letter("", "unsubscribe", Auto_Submitted="auto-generated"),
        letter("", "unsubscribe", Precedence="bulk"),
        letter("", "unsubscribe", List_Id="<a.example.net>"),
    ],
)
def test_a_program_that_ends_it_gets_no_answer(sent: House, data: bytes) -> None:
    sent.bring(out(sent), data, "ada@example.org")
    assert sent.state() == "unsubscribed"
    assert goodbyes(sent) == []


def test_the_suppressed_get_no_goodbye(sent: House) -> None:
    sent.bring(sent.returns_to, feedback())
    sent.bring(out(sent), letter("", "unsubscribe"), "ada@example.org")
    assert goodbyes(sent) == []


def test_a_goodbye_goes_to_the_reader_whoever_wrote(sent: House) -> None:
    """And repeats nothing that was written, but for an id that is one."""
    forged = letter("BUY NOW", "BUY NOW", "Mallory <m@evil.example>", Message_ID="<BUY NOW@evil.example>")
    sent.bring(out(sent), forged, "m@evil.example")
    [goodbye] = goodbyes(sent)
    assert goodbye["To"] == "ada@example.org"
    assert goodbye["In-Reply-To"] is None
    assert b"BUY" not in sent.relay.messages[-1].data
    assert not any("evil" in recipient for m in sent.relay.messages for recipient in m.recipients)


def test_who_comes_and_goes_all_day_is_answered_twice(sent: House) -> None:
    token = sent.desk.links.read_address(out(sent).partition("@")[0])
    assert isinstance(token, Link)
    for _ in range(5):
        sent.bring(out(sent), letter("", "unsubscribe"), "ada@example.org")
        sent.desk.parts.store.readers.come_back(token.subscriber, sent.now)
    assert len(goodbyes(sent)) == 2


@pytest.mark.parametrize(
    ("sender", "data"),
    [
        ("", bounce("5.1.1", DEAD)),
        ("ada@example.org", letter("I am away.", "Away", Auto_Submitted="auto-replied (vacation)")),
    ],
)
def test_a_program_that_answers_ends_nothing(sent: House, sender: str, data: bytes) -> None:
    sent.bring(out(sent), data, sender)
    assert sent.state() == "active"


# -- joining by mail


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[House]:
    with living(tmp_path, public_url="https://digest.example", subscribe_address=f"subscribe@{DOMAIN}") as made:
        yield made


def letters(house: House) -> list[tuple[str, str]]:
    return [(each.kind, each.email) for each in house.desk.parts.store.letters.claim(house.now, 10)]


def test_a_mail_asks_for_the_confirmation_of_a_sign_up(open_house: House) -> None:
    open_house.bring(f"Subscribe@{DOMAIN}", letter(sender='"Lin" <Lin@Example.net>'), "lin@example.net")
    assert letters(open_house) == [("confirm", "Lin@example.net")]
    assert open_house.desk.parts.store.subscribers.get("lin@example.net") is None, "not before they confirm"


@pytest.mark.parametrize(
    ("sender", "data"),
    [
        ("", letter()),
        ("list@example.net", letter(List_Id="<a.example.net>")),
        ("list@example.net", letter(Precedence="list")),
        ("bot@example.net", letter(Auto_Submitted="auto-generated")),
        ("two@example.net", letter(sender="a@example.net, b@example.net")),
    ],
)
def test_programs_and_lists_join_nothing(open_house: House, sender: str, data: bytes) -> None:
    open_house.bring(f"subscribe@{DOMAIN}", data, sender)
    assert letters(open_house) == []


def test_a_sender_that_is_no_address_is_left_to_the_operator(open_house: House) -> None:
    open_house.bring(f"subscribe@{DOMAIN}", letter(sender="Ada <ada>"), "ada@example.org")
    assert letters(open_house) == []
    assert len(open_house.kept()) == 1


def test_a_flood_of_mails_asks_few(open_house: House) -> None:
    for n in range(30):
        open_house.bring(f"subscribe@{DOMAIN}", letter(sender=f"p{n}@victim.example"), "mallory@example.net")
    assert 0 < len(letters(open_house)) <= 8


def test_without_pages_there_is_no_joining_by_mail(house: House) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused, match=r"5\.1\.1"):
        house.bring(f"subscribe@{DOMAIN}", letter(), "lin@example.net")


# -- whatever comes


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    noise=st.binary(max_size=400),
    frame=st.sampled_from([b"%s", b"Subject: %s\r\n\r\nx", b"From: %s\r\n\r\n", b"Auto-Submitted: %s\r\n\r\n"]),
    box=st.sampled_from([*Box]),
    sender=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40),
)
def test_no_mail_makes_it_fail(house: House, noise: bytes, frame: bytes, box: Box, sender: str) -> None:
    token = next(iter(house.desk.parts.store.subscribers.everyone()), None)
    address = Address(box, token.token if token else "nobody")
    take(house.desk, address, Message(sender, f"x@{DOMAIN}", frame.replace(b"%s", noise)))
