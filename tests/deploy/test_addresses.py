"""Where addresses come from: a file that changes, and a real server."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from addresses import Addresses, CsvAddresses, UnknownCustomerError, UrlAddresses, addresses_of, field
from errors import AwayError, SkipError, StopError, UsageError
from tests.support.posts import Answer, Posts


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "customers.csv"
    found.write_text('\ufeffcustomer_id,email,first_name\nann,ann@example.com,"Ann, the first"\nbob,,Bob\n', "utf-8")
    return found


def test_a_file(file: Path) -> None:
    addresses = addresses_of(str(file), "NO_SECRET")
    assert addresses.find("ann") == {
        "customer_id": "ann",
        "email": "ann@example.com",
        "first_name": "Ann, the first",
    }
    with pytest.raises(UnknownCustomerError):
        addresses.find("cem")
    with pytest.raises(SkipError, match="no email"):
        field(addresses.find("bob"), "email")


def test_a_file_that_changes_is_read_again(file: Path) -> None:
    addresses = CsvAddresses(file)
    new = file.with_suffix(".new")
    new.write_text("email,customer_id\ncem@example.com,cem\n")
    new.replace(file)
    assert addresses.find("cem")["email"] == "cem@example.com"
    with pytest.raises(UnknownCustomerError):
        addresses.find("ann")


@pytest.mark.parametrize("text", ["", "customer_id,email\n", "id,email\nann,a@example.com\n"])
def test_a_file_that_is_wrong(file: Path, text: str) -> None:
    """At the start it is refused; later all wait until it is mended: nobody is unknown because an export failed."""
    addresses = CsvAddresses(file)
    file.write_text(text)
    os.utime(file, ns=(1, 1))
    with pytest.raises(AwayError, match=r"customers\.csv: its? "):
        addresses.find("ann")
    with pytest.raises(UsageError, match=r"customers\.csv: its? "):
        CsvAddresses(file)
    file.unlink()
    with pytest.raises(AwayError, match="No such file"):
        addresses.find("ann")


def asked(server: Posts, secret: str | None = None) -> UrlAddresses:
    return UrlAddresses(server.url + "/customers?id={customer_id}", secret, 2.0)


def test_a_url() -> None:
    body = b'{"email": "ann@example.com", "visits": 3, "tags": ["a"], "phone": null}'
    with Posts(lambda _request: Answer(body=body)) as server:
        found = asked(server, "Bearer hidden").find("a b&c=/../\r\n€")
    assert found == {"email": "ann@example.com", "visits": "3"}
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/customers?id=a%20b%26c%3D%2F..%2F%0D%0A%E2%82%AC")
    assert request.headers["authorization"] == "Bearer hidden"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404), UnknownCustomerError),
        (Answer(410), UnknownCustomerError),
        (Answer(401), StopError),
        (Answer(500), AwayError),
        (Answer(429), AwayError),
        (Answer(body=b"<html>"), AwayError),
        (Answer(body=b"[]"), AwayError),
        (None, AwayError),
    ],
)
def test_what_an_answer_means(answer: Answer | None, error: type[Exception]) -> None:
    with Posts(lambda _request: answer) as server, pytest.raises(error) as raised:
        asked(server, "Bearer hidden").find("ann")
    assert type(raised.value) is error
    assert "ann" not in str(raised.value)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("customer", [".", ".."])
def test_ids_that_mean_another_path(customer: str) -> None:
    with Posts() as server:
        with pytest.raises(UnknownCustomerError):
            UrlAddresses(server.url + "/customers/{customer_id}").find(customer)
        assert server.requests == []


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: addresses_of(None, "X"), "--addresses is missing"),
        (lambda: addresses_of("https://shop.example/customers", "X"), "put {customer_id} into"),
        (lambda: addresses_of("https://{customer_id}.example/", "X"), "put {customer_id} into"),
        (lambda: addresses_of("ftp://shop.example/{customer_id}", "X"), "begins with https://"),
        (lambda: addresses_of("nowhere.csv", "X"), "No such file"),
    ],
)
def test_what_is_wrong_is_told(make: Callable[[], Addresses], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        make()
