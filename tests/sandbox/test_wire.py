"""The fake AWS over HTTP: a connection serves several calls, and ends with the sandbox."""

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from sandbox.process import Sandbox
from tests.sandbox.conftest import Aws

CALL = "Action=ListIdentities&Version=2010-12-01"
HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261130/us-east-1/ses/aws4_request, Signature=0",
}


@pytest.fixture
def connection(local: Sandbox) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection(urlsplit(local.aws_url).netloc, timeout=5)
    yield made
    made.close()


def ask(connection: http.client.HTTPConnection, body: str = CALL) -> int:
    connection.request("POST", "/", body, HEADERS)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_connection_serves_several_calls(connection: http.client.HTTPConnection) -> None:
    assert ask(connection) == 200
    kept = connection.sock
    assert ask(connection, CALL + "&IdentityType=Domain") == 200
    assert connection.sock is kept


def test_a_body_that_nobody_reads_is_no_part_of_the_next_call(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/_connect/nothing", b"x" * 100_000)
    connection.getresponse().read()
    kept = connection.sock
    assert ask(connection) == 200
    assert connection.sock is kept


def test_a_chunked_body_is_read(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/", iter([CALL.encode()]), HEADERS, encode_chunked=True)
    assert connection.getresponse().read()


def test_a_client_that_waits_for_a_go_ahead_gets_it_before_its_body(connection: http.client.HTTPConnection) -> None:
    connection.putrequest("POST", "/")
    for header in {**HEADERS, "Content-Length": str(len(CALL)), "Expect": "100-continue"}.items():
        connection.putheader(*header)
    connection.endheaders()
    assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"  # boto3 otherwise waits for a second
    connection.send(CALL.encode())
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200


def test_a_stopped_sandbox_answers_no_kept_connection() -> None:
    with Sandbox() as sandbox:
        connection = http.client.HTTPConnection(urlsplit(sandbox.aws_url).netloc, timeout=5)
        assert ask(connection) == 200
    with pytest.raises(ConnectionError):
        ask(connection)
    connection.close()


def test_head_put_and_get_share_a_connection(local: Sandbox) -> None:
    s3 = Aws(local.aws_url).client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="a", Body=b"12345")
    assert s3.head_object(Bucket="kept", Key="a")["ETag"]
    assert s3.get_object(Bucket="kept", Key="a")["Body"].read() == b"12345"
