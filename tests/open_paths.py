"""Every path with an open begin or end, one by one; imports nothing from tacref.

Paths come in the order in which ties are decided: by their end (those in the last row from the
left, then those in the last column from the top), and then going back from there: a begin, a
diagonal step, a step in x, a step in y.
"""

import math

OPEN = (None, "x", "y", "both")


def may_begin(i, j, open_begin):
    """Whether a path may begin at a cell."""
    return (
        i == j == 0
        or (i == 0 and open_begin in ("y", "both"))
        or (j == 0 and open_begin in ("x", "both"))
    )


def ends(n, m, open_end):
    """Cells where a path may end, in order."""
    row = [(n - 1, j) for j in range(m)] if open_end in ("y", "both") else []
    column = [(i, m - 1) for i in range(n)] if open_end in ("x", "both") else []
    return row + column or [(n - 1, m - 1)]


def paths_to(i, j, open_begin):
    """Every path that ends at a cell, in order."""
    if i < 0 or j < 0:
        return
    if may_begin(i, j, open_begin):
        yield ((i, j),)
    for down, right in ((1, 1), (1, 0), (0, 1)):
        for path in paths_to(i - down, j - right, open_begin):
            yield (*path, (i, j))


def open_paths(n, m, open_begin, open_end):
    """Every path of an n x m matrix, in order."""
    for i, j in ends(n, m, open_end):
        yield from paths_to(i, j, open_begin)


def cheapest(D, open_begin, open_end):
    """Cost and path of the first of the cheapest paths of a matrix; (inf, None) without any."""
    best, best_path = math.inf, None
    for path in open_paths(len(D), len(D[0]), open_begin, open_end):
        cost = math.fsum(D[i][j] for i, j in path)
        if cost < best:
            best, best_path = cost, path
    return best, best_path


def matches(D, count):
    """Greedy matches of the rows in the columns: (begin, end, cost, path), until none is left."""
    D = [list(row) for row in D]
    found = []
    while len(found) < count:
        cost, path = cheapest(D, "y", "y")
        if path is None:
            break
        begin, end = path[0][1], path[-1][1] + 1
        found.append((begin, end, cost, path))
        for row in D:
            row[begin:end] = [math.inf] * (end - begin)
    return found
