"""The description: a valid OpenAPI 3.1 document that says what the door does. Schemathesis asks a server: tests/test_api.py."""

from __future__ import annotations

import json

from openapi_spec_validator import OpenAPIV31SpecValidator
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.tokens import SCOPES
from smsd.frontends.http.api import asked, openapi
from smsd.frontends.http.api.operations import OPERATIONS
from smsd.frontends.http.api.verbs import Verbs
from tests.frontends.http.api.case import ApiCase


class Document(SynchronousTestCase):
    def setUp(self) -> None:
        self.said = json.loads(json.dumps(openapi.description()))

    def test_valid(self) -> None:
        self.assertEqual(list(OpenAPIV31SpecValidator(self.said).iter_errors()), [])
        self.assertEqual(self.said["openapi"], "3.1.0")

    def test_every_operation_with_its_answers(self) -> None:
        self.assertEqual(
            {(path, method) for path, item in self.said["paths"].items() for method in item},
            {(one.path, one.method.lower()) for one in OPERATIONS} | {("/openapi.json", "get")},
        )
        for one in OPERATIONS:
            told = self.said["paths"][one.path][one.method.lower()]
            self.assertEqual("requestBody" in told, one.body is not None or one.upload)
            self.assertLessEqual(
                {str(status) for status in (*one.answers, 401, 403, 429, 500, 503)}, set(told["responses"])
            )
            said = [one for one in told.get("parameters", ()) if one["name"] == "Idempotency-Key"]
            self.assertEqual(len(said), one.keyed)
            for status in one.answers:
                headers = told["responses"][str(status)].get("headers", {})
                self.assertEqual("Idempotent-Replayed" in headers, one.keyed, one.name)
            self.assertTrue(callable(getattr(Verbs, one.name)), one.name)
            self.assertLessEqual(set(one.scopes), set(SCOPES))
            self.assertIn(str(next(iter(one.scopes), "")), told["description"])
        self.assertEqual({one.name for one in OPERATIONS if one.keyed}, {"send", "check_job"})
        form = self.said["paths"]["/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        self.assertNotIn("Idempotency-Key", form["properties"])
        self.assertEqual(self.said["paths"]["/openapi.json"]["get"]["security"], [])

    def test_requests_are_described_by_the_models_that_check_them(self) -> None:
        told = self.said["components"]["schemas"]["MessageRequest"]
        self.assertEqual(set(told["properties"]), set(asked.MessageRequest.model_fields))
        self.assertIs(told["additionalProperties"], False)
        self.assertEqual(told["properties"]["max_parts"]["anyOf"][0]["maximum"], 128)
        query = {one["name"]: one["schema"] for one in self.said["paths"]["/messages"]["get"]["parameters"]}
        self.assertEqual(set(query), set(asked.Found.model_fields))
        self.assertEqual(query["limit"], {"type": "integer", "minimum": 1, "maximum": 500, "default": 50})
        self.assertEqual(query["since"], {"type": "string", "format": "date-time"})


class Served(ApiCase):
    def test_to_everybody(self) -> None:
        reply = self.ask("GET", "/openapi.json", headers={"Authorization": ""})
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "application/json"))
        self.assertEqual(reply.json(), json.loads(json.dumps(openapi.description())))
