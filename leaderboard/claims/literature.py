"""Results reported in papers: ``literature.csv``, one row per number, validated on reading.

None of these results was measured by this project, so they have their own table and are never ranked. These columns
describe the reliability of a row: ``selected_on`` (the data that selected the reported epoch); ``evidence``
(``first-hand``: a member of this project, ``read_by``, read the paper, its code, or a page of its authors or of the
authors of the data set; ``second-hand``: the number was found in another text); ``quote``, the words of that source on
the number or on the selection of the epoch, at ``quote_url``. In a quote from a table `` | `` separates the cells.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from spikebench.errors import ResultError
from spikebench.records.problems import first_problem

LITERATURE_FILE = Path(__file__).parents[1] / "literature.csv"

YesNo = Literal["yes", "no", "unknown"]
Percent = Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable text without line breaks")
    return value


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Text = Annotated[str, Field(max_length=500), AfterValidator(_printable)]
Quote = Annotated[str, Field(max_length=300), AfterValidator(_printable)]
Link = Annotated[
    str, Field(pattern=r"^https?://[^\s\"'<>`\\]+$", max_length=500), AfterValidator(_printable)
]
QuoteLink = Annotated[
    str, Field(pattern=r"^(https://[^\s\"'<>`\\]+)?$", max_length=500), AfterValidator(_printable)
]


class Report(BaseModel):
    """One reported number.

    ``spread_percent`` is the number after the ± and ``spread_kind`` its meaning (standard deviation,
    95 % confidence interval, unknown). ``time_steps`` is the smallest reported number of time steps;
    the ``…_note`` and ``…_kind`` columns contain details beyond a number or a yes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[2]
    dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")]
    method: Name
    authors: Name
    year: Annotated[int, Field(ge=1990, le=2100)]
    url: Link
    accuracy_percent: Percent
    approximate: Literal["yes", "no"]
    spread_percent: Percent | None
    spread_kind: Literal["std", "ci95", "unknown"] | None
    spiking: YesNo
    parameters: Annotated[int, Field(ge=1, le=2**53)] | None
    time_steps: Annotated[int, Field(ge=1, le=10**9)] | None
    time_step_ms: Annotated[float, Field(gt=0.0, le=1e6, allow_inf_nan=False)] | None
    time_note: Text
    inputs: Annotated[int, Field(ge=1, le=10**9)] | None
    inputs_note: Text
    recurrent: YesNo
    recurrent_kind: Text
    delays: YesNo
    delays_kind: Text
    selected_on: Literal["validation", "none", "unknown", "test"]
    evidence: Literal["first-hand", "second-hand"]
    evidence_source: Text
    read_by: Text
    quote: Quote
    quote_url: QuoteLink
    note: Text

    @field_validator("schema_version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return 2 if value == "2" else value

    @field_validator(
        "spread_percent",
        "spread_kind",
        "parameters",
        "time_steps",
        "time_step_ms",
        "inputs",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _spread_has_a_kind(self) -> Self:
        if (self.spread_percent is None) != (self.spread_kind is None):
            raise ValueError("spread_percent and spread_kind must be given together")
        return self

    @model_validator(mode="after")
    def _quoted_by_who_read_it(self) -> Self:
        if bool(self.quote) != bool(self.quote_url):
            raise ValueError("quote and quote_url must be given together")
        if bool(self.read_by) != (self.evidence == "first-hand"):
            raise ValueError(
                "first-hand evidence requires read_by, other evidence must not have it"
            )
        if self.quote and self.evidence != "first-hand":
            raise ValueError("a quote requires first-hand evidence")
        return self


def read_literature(path: Path = LITERATURE_FILE) -> list[Report]:
    """Read and validate reported results.

    Parameters
    ----------
    path
        A CSV file with exactly the columns of :class:`Report`; by default the one in this package.

    Returns
    -------
    list of Report
        One per row, in the order of the file.

    Raises
    ------
    ResultError
        If the file cannot be read, a column is missing or unknown, a value is not valid, or the
        same method of the same authors is listed twice for one data set and year.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise ResultError(f"{path}: {error}") from None
    reports: dict[tuple[str, str, str, int], Report] = {}
    for number, row in enumerate(rows, start=2):
        try:
            report = Report.model_validate({str(key): value for key, value in row.items()})
        except ValidationError as error:
            raise ResultError(f"{path}, row {number}: {first_problem(error)}") from None
        key = (report.dataset, report.method, report.authors, report.year)
        if key in reports:
            raise ResultError(f"{path}, row {number}: {report.method!r} is listed twice")
        reports[key] = report
    return list(reports.values())
