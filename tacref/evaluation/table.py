"""The table of scores."""

from collections.abc import Mapping

from tacref.evaluation.bootstrap import Estimate
from tacref.evaluation.kendall import UndefinedPairs

LOWER_IS_BETTER = ("cycle_error",)


def format_table(columns: Mapping[str, Mapping[str, Estimate | UndefinedPairs]]) -> str:
    """Lay out scores, one line per metric.

    Parameters
    ----------
    columns : mapping of str to mapping of str to Estimate or UndefinedPairs
        Title of each column to its scores by metric. The cell of a metric that a column lacks is
        empty.

    Returns
    -------
    str
        Lines without trailing spaces, without a newline at the end.
    """
    metrics = list(dict.fromkeys(metric for scores in columns.values() for metric in scores))
    titles = {
        metric: f"{metric} (lower is better)" if metric in LOWER_IS_BETTER else metric
        for metric in metrics
    }
    table = [["", *columns]]
    for metric in metrics:
        cells = [str(scores[metric]) if metric in scores else "" for scores in columns.values()]
        table.append([titles[metric], *cells])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )
