"""Reports without identities, as JSON and CSV."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response

from booking.api.base import Blueprint, StrictSchema, bounded
from booking.domain.words import COMMISSIONERS, Priority
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services.reports.catalogue import REPORTS
from booking.services.reports.csv_file import csv_of
from booking.services.reports.publish import Asked, run
from booking.services.reports.table import Report

blp = Blueprint("reports", __name__, description="Reports without identities")


class ColumnSchema(ma.Schema):
    name = ma.fields.String()
    kind = ma.fields.String()
    about = ma.fields.String()


class ReportSchema(ma.Schema):
    name = ma.fields.String()
    title = ma.fields.String()
    about = ma.fields.String()
    of_a_period = ma.fields.Boolean(metadata={"description": "False: about the present, takes no from and to"})
    filters = ma.fields.List(ma.fields.String())
    columns = ma.fields.List(ma.fields.Nested(ColumnSchema))


class CatalogueSchema(ma.Schema):
    reports = ma.fields.List(ma.fields.Nested(ReportSchema))


class ReportQuery(StrictSchema):
    first = ma.fields.Date(
        data_key="from", metadata={"description": "The first of a month; the last month that is over if left out"}
    )
    last = ma.fields.Date(data_key="to", metadata={"description": "The last of a month that is over"})
    format = ma.fields.String(load_default="json", validate=ma.validate.OneOf(["json", "csv"]))
    bom = ma.fields.Boolean(load_default=False, metadata={"description": "CSV with a byte order mark, for Excel"})
    specialty = bounded(8)
    priority = ma.fields.Enum(Priority, by_value=True)
    provider = bounded(12, metadata={"description": "ODS code"})


class PeriodSchema(ma.Schema):
    first = ma.fields.Date(data_key="from")
    last = ma.fields.Date(data_key="to")


class SmallNumbersSchema(ma.Schema):
    least = ma.fields.Integer()
    rule = ma.fields.String()


class MadeReportSchema(ma.Schema):
    name = ma.fields.String()
    title = ma.fields.String()
    about = ma.fields.String()
    period = ma.fields.Nested(PeriodSchema, allow_none=True)
    made_at = ma.fields.AwareDateTime()
    filters = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String())
    small_numbers = ma.fields.Nested(SmallNumbersSchema)
    columns = ma.fields.List(ma.fields.Nested(ColumnSchema))
    rows = ma.fields.List(
        ma.fields.Dict(keys=ma.fields.String()),
        metadata={"description": "By column; null where a number is too small to be told"},
    )


@blp.route("/reports")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.response(200, CatalogueSchema)
def list_reports() -> Any:
    """The reports there are, with their columns and filters."""
    return {"reports": [_described(report) for report in REPORTS.values()]}


@blp.route("/reports/<name>")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.arguments(ReportQuery, location="query")
@blp.response(200, MadeReportSchema, description="As JSON, or as CSV where format=csv")
@blp.alt_response(422, description="Not whole months that are over, or a filter the report does not take")
@blp.doc(responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
def read_report(query: dict[str, Any], name: str) -> Any:
    """One report about the patients of your practices, whole months at a time, small numbers kept back."""
    wanted, bom = query.pop("format"), query.pop("bom")
    made = run(work(), name, Asked(**query))
    if wanted == "csv":
        headers = {"Content-Disposition": f'attachment; filename="{made.file_name}.csv"'}
        return Response(csv_of(made, bom=bom), content_type="text/csv; charset=utf-8; header=present", headers=headers)
    return {
        "name": made.report.name, "title": made.report.title, "about": made.report.about, "period": made.period,
        "made_at": made.made_at, "filters": made.filters, "small_numbers": {"least": made.least, "rule": made.rule},
        "columns": made.report.columns, "rows": made.rows,
    }  # fmt: skip


def _described(report: Report) -> dict[str, Any]:
    return {
        "name": report.name, "title": report.title, "about": report.about, "of_a_period": report.of_a_period,
        "filters": sorted(report.filters), "columns": report.columns,
    }  # fmt: skip
