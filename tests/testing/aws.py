"""boto3 against a local endpoint: every answer is held against the API's own model, as it came over the wire."""

from __future__ import annotations

import http.client
import json
from contextlib import closing

import boto3
from botocore.config import Config
from botocore.validate import ParamValidator


def conforming_client(url, **config):
    """A client that fails where an answer has a member too many, one too few, or one of another type."""
    client = boto3.client(
        "verifiedpermissions",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(**{"retries": {"total_max_attempts": 1}, "parameter_validation": False, **config}),
    )

    def validate(operation_model, response_dict, **others):
        body = json.loads(response_dict["body"])
        name = body["__type"].partition("#")[2] if "__type" in body else ""
        errors = [shape for shape in operation_model.error_shapes if shape.name == name]
        if name and not errors:
            return
        body.pop("__type", None)
        report = ParamValidator().validate(body, errors[0] if errors else operation_model.output_shape)
        assert not report.has_errors(), report.generate_report()

    client.meta.events.register("before-parse.verifiedpermissions", validate)
    return client


def post(url, operation, body):
    """What an operation answers to any bytes: the status, and the answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    with closing(connection):
        connection.request("POST", "/", body, {"X-Amz-Target": f"VerifiedPermissions.{operation}"})
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "application/x-amz-json-1.0"
        return response.status, json.load(response)
