"""The log as text."""

import logging

from service.telemetry.logs import TextFormatter


def test_a_line_of_text_has_the_fields_of_the_request() -> None:
    formatter = TextFormatter("%(levelname)s %(name)s %(message)s")
    record = logging.makeLogRecord({"name": "kidogo", "levelname": "INFO", "msg": "request", "status": 404})
    assert formatter.format(record) == "INFO kidogo request status=404"
