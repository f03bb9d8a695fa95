"""Many connections in one thread: strands on real sockets, and answers from real threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from digest.strands import Answer, Strands, aside, wait_for


def soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


def test_one_waits_for_a_socket_and_the_others_go_on() -> None:
    here, there = socket.socketpair()
    done: list[str] = []

    def reader() -> None:
        wait_for(here, soon())
        done.append(here.recv(10).decode())

    def writer() -> None:
        done.append("writing")
        there.send(b"hello")

    with here, there:
        Strands().run([reader, writer])
    assert done == ["writing", "hello"]


def test_a_full_socket_is_waited_for_until_there_is_room() -> None:
    here, there = socket.socketpair()
    here.setblocking(False)
    sent, received = 0, 0

    def writer() -> None:
        nonlocal sent
        data = memoryview(bytes(5_000_000))
        while sent < len(data):
            wait_for(here, soon(), writing=True)
            sent += here.send(data[sent:])

    def reader() -> None:
        nonlocal received
        while received < 5_000_000:
            wait_for(there, soon())
            received += len(there.recv(1 << 20))

    with here, there:
        Strands().run([writer, reader])
    assert (sent, received) == (5_000_000, 5_000_000)


@pytest.mark.parametrize("company", [True, False])
def test_whoever_hears_nothing_is_told_so_in_time(company: bool) -> None:
    here, there = socket.socketpair()
    begin = time.monotonic()

    def reader() -> None:
        with pytest.raises(TimeoutError):
            wait_for(here, soon(0.2))

    with here, there:
        Strands().run([reader]) if company else reader()
    assert 0.2 <= time.monotonic() - begin < 2


def test_what_has_come_counts_even_if_its_time_is_over() -> None:
    """The thread was busy elsewhere when the answer came."""
    here, there = socket.socketpair()
    there.send(b"250 ok")
    with here, there:
        Strands().run([lambda: wait_for(here, soon(-1))])


@pytest.mark.parametrize("late", [True, False], ids=["the strand waits", "the answer waits"])
def test_another_thread_answers(late: bool) -> None:
    heard: list[int] = []

    def asker() -> None:
        answer: Answer[int] = Answer()

        def say() -> None:
            time.sleep(0.1 if late else 0)
            answer.give(7)

        thread = threading.Thread(target=say)
        thread.start()
        if not late:
            thread.join()
        heard.append(answer.wait())

    Strands().run([asker] * 20)
    asker()
    assert heard == [7] * 21


def test_what_is_done_aside_keeps_nobody_waiting() -> None:
    order: list[str] = []

    def slow() -> str:
        time.sleep(0.2)
        return "slow"

    Strands().run([lambda: order.append(aside(slow)), lambda: order.append("quick")])
    assert order == ["quick", "slow"]
    assert aside(threading.current_thread) is threading.current_thread(), "where nobody else could go on"


def test_a_failure_aside_is_raised_where_it_was_asked_for() -> None:
    def fail() -> None:
        raise ConnectionRefusedError("no")

    caught: list[BaseException] = []

    def strand() -> None:
        with pytest.raises(ConnectionRefusedError) as error:
            aside(fail)
        caught.append(error.value)

    Strands().run([strand])
    assert len(caught) == 1


def test_the_first_failure_is_raised_when_all_have_ended() -> None:
    ended: list[int] = []

    def fails() -> None:
        raise ValueError("broken")

    def ends() -> None:
        aside(lambda: time.sleep(0.1))
        ended.append(1)

    with pytest.raises(ValueError, match="broken"):
        Strands().run([fails, ends, ends])
    assert ended == [1, 1]


def test_calls_are_made_later_and_from_other_threads() -> None:
    strands = Strands()
    said: list[str] = []

    def strand() -> None:
        answer: Answer[None] = Answer()
        strands.later(0.10, lambda: said.append("second"))
        strands.later(0.05, lambda: said.append("first"))
        strands.later(0.15, lambda: answer.give(None))
        threading.Thread(target=lambda: strands.soon(lambda: said.append("at once"))).start()
        answer.wait()

    strands.run([strand])
    assert said == ["at once", "first", "second"]


def test_two_threads_have_strands_of_their_own() -> None:
    def many(results: list[int]) -> Callable[[], None]:
        def strand() -> None:
            results.append(aside(threading.get_ident) and threading.get_ident())

        return lambda: Strands().run([strand] * 5)

    one: list[int] = []
    two: list[int] = []
    threads = [threading.Thread(target=many(results)) for results in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(one), len(two)) == (5, 5)
    assert len(set(one)) == len(set(two)) == 1
    assert set(one) != set(two)


def test_whoever_calls_when_all_is_over_is_not_heard() -> None:
    """Its last answer may have been heard before the thread that gave it could ring."""
    strands = Strands()

    def call() -> None:
        for _ in range(2000):
            strands.soon(lambda: None)

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    strands.run([lambda: None])
    strands.soon(lambda: None)
    for caller in callers:
        caller.join()


def test_what_was_called_before_the_beginning_is_heard() -> None:
    strands = Strands()
    heard: list[str] = []
    strands.soon(lambda: heard.append("early"))
    strands.run([lambda: aside(lambda: time.sleep(0.05))])
    assert heard == ["early"]
