"""Pages are compressed for those who take it, never to the same length twice."""

from __future__ import annotations

import gzip

from flask.testing import FlaskClient


def test_a_page_is_compressed_with_a_random_length(client: FlaskClient) -> None:
    plain = client.get("/sign-in")
    assert "Content-Encoding" not in plain.headers
    packed = [client.get("/sign-in", headers={"Accept-Encoding": "br, gzip"}) for _ in range(20)]
    assert all(one.headers["Content-Encoding"] == "gzip" for one in packed)
    assert all("Accept-Encoding" in one.headers["Vary"] for one in packed)
    assert all(int(one.headers["Content-Length"]) == len(one.data) < len(plain.data) for one in packed)
    assert "Choose your appointment" in gzip.decompress(packed[0].data).decode()
    assert len({len(one.data) for one in packed}) > 5


def test_what_is_no_page_stays_as_it_is(client: FlaskClient) -> None:
    answer = client.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
