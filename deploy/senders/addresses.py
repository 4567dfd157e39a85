"""Where a customer's address comes from: the shop knows it, Offbeat does not. A CSV file, or a URL that answers JSON.

Both give fields by name: `customer_id`, `email` for mails, `phone` for SMS, and whatever else templates want, such as
`first_name`. An empty address means that this customer gets nothing; a customer who is not there at all is an error.
"""

import csv
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from errors import AwayError, NeverError, SkipError, StopError, UsageError
from options import secret
from post import url_of

PLACE = "{customer_id}"
_LONGEST_ANSWER = 1 << 20

Customer = Mapping[str, str]


class UnknownCustomerError(NeverError):
    """The shop does not know that customer."""


def field(customer: Customer, name: str) -> str:
    """The customer's `email` or `phone`. SkipError where it is empty: the shop says that there is to be none."""
    if not (found := customer.get(name, "").strip()):
        raise SkipError(f"no {name}")
    return found


class Addresses(Protocol):
    def find(self, customer_id: str) -> Customer:
        """The customer's fields. Raises UnknownCustomerError, and AwayError when nobody can be asked."""


class CsvAddresses:
    """A file with a line of names, `customer_id` among them; read again when it has changed.

    Put a new one in its place by renaming: a file that is half written is read half. UsageError at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_of = (0, 0)
        self._found: Mapping[str, Customer] = {}
        try:
            self._refresh()
        except (OSError, ValueError) as error:
            raise UsageError(f"addresses {path}: {getattr(error, 'strerror', None) or error}") from None

    def find(self, customer_id: str) -> Customer:
        try:
            self._refresh()
        except (OSError, ValueError) as error:
            raise AwayError(f"addresses {self._path}: {getattr(error, 'strerror', None) or error}") from None
        if customer_id not in self._found:
            raise UnknownCustomerError("the addresses do not know the customer")
        return self._found[customer_id]

    def _refresh(self) -> None:
        state = self._path.stat()
        if (state.st_mtime_ns, state.st_ino) == self._read_of:
            return
        with self._path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            names = next(rows, [])
            if "customer_id" not in names:
                raise ValueError("its first line names no column customer_id")
            at = names.index("customer_id")
            found = {row[at]: dict(zip(names, row, strict=False)) for row in rows if len(row) > at}
        if not found:
            raise ValueError("it has no rows")
        self._found, self._read_of = found, (state.st_mtime_ns, state.st_ino)


class UrlAddresses:
    """`https://shop.example/customers?id={customer_id}`: 200 with a JSON object, 404 for nobody.

    :param authorization: the header of that name, if one is wanted
    """

    def __init__(self, template: str, authorization: str | None = None, timeout: float = 10.0) -> None:
        self._template, self._timeout = url_of(template, "addresses"), timeout
        if PLACE not in template or PLACE in urlsplit(template).netloc:
            raise UsageError(f"addresses: put {PLACE} into the URL's path or query, where the id belongs")
        self._headers = {"Accept": "application/json", **({"Authorization": authorization} if authorization else {})}

    def find(self, customer_id: str) -> Customer:
        if customer_id in {".", ".."}:  # they mean another path
            raise UnknownCustomerError("the addresses do not know the customer")
        url = self._template.replace(PLACE, quote(customer_id, safe="", errors="replace"))
        request = urllib.request.Request(url, headers=self._headers)  # noqa: S310 - see url_of
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                found = json.loads(answer.read(_LONGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AwayError(f"addresses: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise AwayError("addresses: the answer is not a JSON object")
        return {name: str(value) for name, value in found.items() if isinstance(value, str | int | float)}

    @staticmethod
    def _refusal(status: int) -> Exception:
        if status in {404, 410}:
            return UnknownCustomerError("the addresses do not know the customer")
        if status in {401, 403}:
            return StopError(f"addresses: HTTP status {status}; set the credentials right and start again")
        return AwayError(f"addresses: HTTP status {status}")


def addresses_of(text: str | None, secret_name: str) -> Addresses:
    """By what the option says: a URL, or a file. `secret_name`: where the URL's Authorization header is. UsageError."""
    if not text:
        raise UsageError("--addresses is missing: a CSV file, or a URL with {customer_id}; see README.md")
    return UrlAddresses(text, secret(secret_name)) if "://" in text else CsvAddresses(Path(text))
